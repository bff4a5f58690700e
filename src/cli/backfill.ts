/** `oubli backfill TABLE`: seals the rows that were there before their table was declared. Interrupted, it goes on when run again. */
import { Command } from 'commander';
import { type InstanceOptions, withInstance, withInstanceOptions } from './database';
import { loadOption } from './load';
import { progressView } from './progress';

interface Options extends InstanceOptions {
  readonly load: number;
}

export function backfillVerb(): Command {
  return withInstanceOptions(new Command('backfill'))
    .description('seal the rows of an annotated table that were there before; run it again if it was interrupted')
    .argument('<table>', 'its name, with its schema where several hold one: billing.customers')
    .addOption(loadOption())
    .action(backfill);
}

async function backfill(table: string, options: Options): Promise<void> {
  const { load } = options;
  const view = progressView('backfill', process.stderr);
  const report = await withInstance(options, 'backfill', (instance) =>
    instance.backfill(table, { load, onProgress: view.show }),
  ).finally(view.stop);
  console.log(`${report.table}: ${report.rows} rows sealed`);
  console.log(`  PostgreSQL has checked every row: no plaintext is left in ${report.columns.join(', ')}`);
  console.log(
    '  what the rows held before stays on the disk until a VACUUM FULL, and in WAL and backups until they expire',
  );
}
