/** `oubli unprotect TABLE [COLUMN…]`: the way back out. Decrypts, so it asks for the name of the table to be typed. */
import { Command } from 'commander';
import { ConfigurationError } from '../errors';
import { answer } from './answer';
import { type InstanceOptions, withInstance, withInstanceOptions } from './database';
import { loadOption } from './load';
import { progressView } from './progress';

interface Options extends InstanceOptions {
  readonly because: string;
  readonly load: number;
}

export function unprotectVerb(): Command {
  return withInstanceOptions(new Command('unprotect'))
    .description('decrypt a table, or some columns of it, back to the types they were declared with')
    .argument('<table>', 'its name, with its schema where several hold one: billing.customers')
    .argument('[columns...]', 'only these; all that are protected unless some are named')
    .requiredOption(
      '--because <reason>',
      'why they may be readable from now on: kept in the declaration and in the ledger',
    )
    .addOption(loadOption())
    .action(unprotect);
}

async function unprotect(table: string, columns: string[], options: Options): Promise<void> {
  const { because, load } = options;
  const report = await withInstance(options, 'unprotect', async (instance) => {
    await confirmed(table, columns);
    const view = progressView('unprotect', process.stderr);
    return instance.unprotect(table, { columns, because, load, onProgress: view.show }).finally(view.stop);
  });
  console.log(`${report.table}: ${report.rows} rows decrypted; readable now: ${report.columns.join(', ')}`);
}

/** @throws ConfigurationError NOT_CONFIRMED */
async function confirmed(table: string, columns: readonly string[]): Promise<void> {
  const what = columns.length > 0 ? columns.join(', ') : 'all its protected columns';
  console.log(`${table}: ${what} will be readable to whoever reads the database, its backups and its WAL.`);
  if ((await answer(`Type the name of the table to go on: `)) !== table)
    throw new ConfigurationError('NOT_CONFIRMED', { table });
}
