/** `oubli replay`: after a restore, whoever was erased since the backup is erased again; until then the application does not start. */
import { Command } from 'commander';
import { replay } from '../restore';
import { type InstanceOptions, withInstanceOptions, withSettings } from './database';

interface Options extends InstanceOptions {
  readonly withoutHolds?: string;
}

export function replayVerb(): Command {
  return withInstanceOptions(new Command('replay'))
    .description(
      'erase again whom the journal names as erased, in a database that was restored; run it again if interrupted',
    )
    .option(
      '--without-holds <reason>',
      'holds and restrictions that were placed after the backup are given up: kept in the ledger',
    )
    .action(run);
}

async function run({ withoutHolds, ...options }: Options): Promise<void> {
  const { lost, erased, shredded, requested, withdrawn, unknown, compromised } = await withSettings(
    options,
    'replay',
    (knex, settings) => replay(knex, settings, { withoutHolds }),
  );
  const acts = Object.entries(lost).map(([act, count]) => `${count} ${act}`);
  console.log(acts.length === 0 ? 'the database is not behind the journal' : `in the journal only: ${acts.join(', ')}`);
  console.log(`erased again: ${erased} people, and ${shredded} keys without rows; open again: ${requested} requests`);
  if (withdrawn > 0) console.log(`taken back again, as they were since the backup: ${withdrawn} requests`);
  if (unknown.length > 0) console.log(`never known to this database, made after its backup: ${unknown.join(', ')}`);
  for (const epoch of compromised)
    console.log(`somebody else may have the key of epoch ${epoch}: npx oubli keys compromised ${epoch} --because '…'`);
  console.log('verified: no key that the journal names as destroyed lives');
}
