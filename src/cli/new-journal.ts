/** `oubli ledger new-journal`: the deliberate way on where the journal is lost for good. */
import { Command } from 'commander';
import { newJournal } from '../restore';
import { type InstanceOptions, withInstanceOptions, withSettings } from './database';

interface Options extends InstanceOptions {
  readonly because: string;
}

export function newJournalVerb(): Command {
  return withInstanceOptions(new Command('new-journal'))
    .description("begin a journal anew from the database's ledger, where the old one is lost for good with its backups")
    .requiredOption('--because <reason>', 'kept in the ledger')
    .action(run);
}

async function run({ because, ...options }: Options): Promise<void> {
  const { entries } = await withSettings(options, 'ledger new-journal', (knex, settings) =>
    newJournal(knex, settings, { because }),
  );
  console.log(`wrote ${entries} entries to ${options.journal}; what only the lost journal knew is forgotten`);
}
