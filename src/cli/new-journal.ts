/** `oubli ledger new-journal`: the deliberate way on where the journal is lost for good. */
import { Command } from 'commander';
import knexPackage from 'knex';
import { environmentKeys } from '../keyring/environment-keys';
import { localKeys } from '../keyring/local-keys';
import { fileJournal } from '../registers/file-journal';
import { newJournal } from '../restore';
import { configOf, type InstanceOptions, keysOption, withDatabaseOptions } from './database';

interface Options extends InstanceOptions {
  readonly journal: string;
  readonly because: string;
}

export function newJournalVerb(): Command {
  return withDatabaseOptions(new Command('new-journal'))
    .description("begin a journal anew from the database's ledger, where the old one is lost for good with its backups")
    .requiredOption('--journal <file>', 'where the new one goes')
    .requiredOption('--because <reason>', 'kept in the ledger')
    .addOption(keysOption())
    .action(run);
}

async function run({ journal: file, because, ...options }: Options): Promise<void> {
  const journal = fileJournal({ file }); // before a knexfile changes where we are
  const knex = knexPackage.knex({ ...(await configOf(options, 'ledger new-journal')), pool: { min: 0, max: 2 } });
  const keys = options.keys ? localKeys({ file: options.keys }) : environmentKeys();
  const { entries } = await newJournal(knex, { keys, journal }, { because }).finally(() => knex.destroy());
  console.log(`wrote ${entries} entries to ${file}; what only the lost journal knew is forgotten`);
}
