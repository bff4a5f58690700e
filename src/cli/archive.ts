/** `oubli archive list|read`: what the law has kept, counted without a reason, and read with one that is written down first. */
import { Command } from 'commander';
import { ConfigurationError } from '../errors';
import type { ArchiveReading } from '../lifecycle/archive/read';
import type { Oubli } from '../oubli';
import { type InstanceOptions, withInstance, withInstanceOptions } from './database';

interface ReadOptions extends InstanceOptions {
  readonly because: string;
  readonly as?: string;
  readonly kind?: string;
  readonly id?: string;
  readonly entry?: string;
  readonly keyId?: string;
  readonly endsBy?: string;
}

export function archiveVerb(): Command {
  const archive = new Command('archive').description('the intermediate archive: what the law has kept, apart');
  archive.addCommand(
    withInstanceOptions(new Command('list'))
      .description('count what archives hold, of which table, and until when')
      .action(list),
  );
  archive.addCommand(
    withInstanceOptions(new Command('read'))
      .description('print archived rows as lines of JSON; the reason is in the ledger before the first')
      .argument('<table>', 'the table they came from, as receipts name it')
      .requiredOption('--because <reason>', 'who asked, on what ground')
      .option('--as <role>', 'the database role that may read')
      .option('--kind <kind>', 'rows of one person: her kind')
      .option('--id <id>', 'and her id')
      .option('--entry <number>', "rows of one move: a receipt's entry")
      .option('--key-id <hex>', 'rows of the person on a receipt: its keyId')
      .option('--ends-by <date>', 'rows whose archive ends on this day or before')
      .action(read),
  );
  return archive;
}

async function list(options: InstanceOptions): Promise<void> {
  const holdings = await withInstance(options, 'archive list', (instance) => instance.archive.list());
  for (const { archive, elsewhere, table, rows, firstEnd, lastEnd } of holdings) {
    const place = elsewhere ? `${archive}, in the other database` : archive;
    console.log(`${table}: ${rows} rows in ${place}; the first end on ${day(firstEnd)}, the last on ${day(lastEnd)}`);
  }
  if (holdings.length === 0) console.log('nothing is archived');
}

async function read(table: string, options: ReadOptions): Promise<void> {
  const print = async ({ archive }: Oubli): Promise<void> => {
    for await (const row of archive.read(readingOf(table, options))) console.log(JSON.stringify(row));
  };
  await withInstance(options, 'archive read', print, options.as);
}

function readingOf(table: string, { because, kind, id, entry, keyId, endsBy }: ReadOptions): ArchiveReading {
  const where = {
    ...(entry === undefined ? {} : { entry: Number(entry) }),
    ...(keyId === undefined ? {} : { keyId }),
    ...(endsBy === undefined ? {} : { endsBy }),
  };
  if ((kind === undefined) !== (id === undefined)) {
    // half a person is nobody: without the other half everybody's rows would be read
    throw new ConfigurationError('ARCHIVE_HALF_PERSON', { table, given: kind === undefined ? '--id' : '--kind' });
  }
  const subject = kind === undefined || id === undefined ? {} : { subject: { kind, id } };
  return { table, because, where, ...subject };
}

function day(moment: Date): string {
  return moment.toISOString().slice(0, 10);
}
