/**
 * A rotation or a reseal in a process of its own, for tests that kill it: `node -r ts-node/register test/support/keys-process.ts
 * <url> <key file> <work>`. Prints its report, or waits for whoever kills it.
 */
import knexPackage, { type Knex } from 'knex';
import { localKeys, oubli } from '../../src';
import { startProcess, type Worker } from './worker';

/** `hasty`: what no reseal may do, old keys destroyed before it is known that nothing is left under them. */
export type KeyWork = 'rotate' | 'reseal' | 'hasty';

export function startKeyWork(url: string, keyFile: string, work: KeyWork): Worker {
  return startProcess(__filename, [url, keyFile, work]);
}

const PACE = { rest: 0, patience: 0 };

async function run([url = '', file = '', work = 'rotate']: string[]): Promise<void> {
  const knex = knexPackage({ client: 'pg', connection: url, pool: { min: 0, max: 2 } });
  const instance = await oubli(knex, { keys: localKeys({ file }) });
  const because = 'a storm';
  if (work === 'rotate') console.log(JSON.stringify(await instance.epochs.rotate({ because, keep: 'none' })));
  else {
    if (work === 'hasty') await makeHasty(instance.unprotected());
    // what was struck down goes on; else the newest is lost, so that there is something to do
    const epochs = await instance.epochs.list();
    const begun = epochs.find(({ compromisedAt, resealedAt }) => compromisedAt && !resealedAt) ?? epochs[0];
    console.log(JSON.stringify(await instance.epochs.compromised(begun?.epoch ?? 1, { because, pace: PACE })));
  }
  await instance.close();
  await knex.destroy();
}

/** From now on a key is gone as soon as it has a successor. */
async function makeHasty(plain: Knex): Promise<void> {
  await plain.raw(`
create or replace function hasty() returns trigger language plpgsql as $$ begin
  with gone as (delete from oubli.subject_key where successor is not null returning key_id, fingerprint, born, successor)
  insert into oubli.fence (key_id, fingerprint, erased_at, born, successor) select key_id, fingerprint, oubli.now(), born, successor from gone;
  return null; end $$;
create or replace trigger hasty after update of successor on oubli.subject_key for each statement execute function hasty();`);
}

if (require.main === module) void run(process.argv.slice(2));
