/** `oubli replay`: after a restore, whoever was erased since the backup is erased again; until then the application does not start. */
import { Command } from 'commander';
import knexPackage from 'knex';
import { environmentKeys } from '../keyring/environment-keys';
import { localKeys } from '../keyring/local-keys';
import { fileJournal } from '../registers/file-journal';
import { replay } from '../restore';
import { configOf, type InstanceOptions, keysOption, withDatabaseOptions } from './database';

interface Options extends InstanceOptions {
  readonly journal: string;
  readonly withoutHolds?: string;
}

export function replayVerb(): Command {
  return withDatabaseOptions(new Command('replay'))
    .description(
      'erase again whom the journal names as erased, in a database that was restored; run it again if interrupted',
    )
    .requiredOption('--journal <file>', 'what oubli keeps outside the database')
    .option(
      '--without-holds <reason>',
      'holds and restrictions that were placed after the backup are given up: kept in the ledger',
    )
    .addOption(keysOption())
    .action(run);
}

async function run(options: Options): Promise<void> {
  const journal = fileJournal({ file: options.journal }); // before a knexfile changes where we are
  const knex = knexPackage.knex({ ...(await configOf(options, 'replay')), pool: { min: 0, max: 2 } });
  const keys = options.keys ? localKeys({ file: options.keys }) : environmentKeys();
  const { withoutHolds } = options;
  const { lost, erased, shredded, requested, unknown } = await replay(
    knex,
    { keys, journal },
    { withoutHolds },
  ).finally(() => knex.destroy());
  const acts = Object.entries(lost).map(([act, count]) => `${count} ${act}`);
  console.log(acts.length === 0 ? 'the database is not behind the journal' : `in the journal only: ${acts.join(', ')}`);
  console.log(`erased again: ${erased} people, and ${shredded} keys without rows; open again: ${requested} requests`);
  if (unknown.length > 0) console.log(`never known to this database, made after its backup: ${unknown.join(', ')}`);
  console.log('verified: no key that the journal names as destroyed lives');
}
