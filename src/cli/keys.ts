/**
 * `oubli keys`: the first thing an installation needs, and the last it may lose. Key bytes are never printed, and never stand among the
 * arguments of a command, where everybody on the machine could read them.
 */
import { Command } from 'commander';
import { ConfigurationError } from '../errors';
import { inspected } from '../inspection';
import { generateKeyFile } from '../keyring/local-keys';
import type { Keep } from '../lifecycle/epochs/drain';
import type { Rotation } from '../lifecycle/epochs/rotate';
import type { Reseal } from '../lifecycle/reseal/reseal';
import { type EpochState, readEpochs, restorable, sayBackups } from '../registers/epochs';
import { verifySchema } from '../schema/install';
import { answer } from './answer';
import {
  configOf,
  type DatabaseOptions,
  type InstanceOptions,
  withConnection,
  withDatabaseOptions,
  withInstance,
  withInstanceOptions,
  withSettings,
} from './database';

export function keysVerb(): Command {
  const keys = new Command('keys').description('the keys that everything else is sealed under');
  keys
    .command('generate')
    .description('write a fresh key document, readable by its owner only; a file that exists is never overwritten')
    .option('--out <file>', 'where to write it', 'oubli.keys')
    .action(generate);
  withDatabaseOptions(keys.command('list'))
    .description(
      'every epoch: its age, its state, how many keys are wrapped under it; and since when backups can be restored',
    )
    .action(list);
  withInstanceOptions(keys.command('rotate'))
    .description(
      'wrap every living key under a new epoch, and have old keys destroyed whose time has come; interrupted, run it again',
    )
    .option('--keep <period>', "how long backups from before stay restorable: '35 days', or none", '35 days')
    .option('--because <reason>', 'why, for the ledger')
    .action(rotate);
  withInstanceOptions(keys.command('destroy'))
    .description('have the key of a drained epoch destroyed before its time; asks you to type its name')
    .argument('<epoch>', 'its number', Number)
    .requiredOption('--because <reason>', 'why, for the ledger')
    .action(destroy);
  withInstanceOptions(keys.command('compromised'))
    .description(
      'somebody else may have the key of an epoch: replace every key that it opens, and seal anew what is stored under them; asks you to type its name',
    )
    .argument('<epoch>', 'its number', Number)
    .requiredOption('--because <reason>', 'why, for the ledger')
    .action(compromised);
  withInstanceOptions(keys.command('canary'))
    .description('tell whether these keys are those of this database; exit code 1 if not')
    .action(canary);
  return keys;
}

async function generate({ out }: { out: string }): Promise<void> {
  await generateKeyFile(out);
  console.log(`wrote ${out}, readable by you only`);
  console.log(`  back it up, apart from the database: without it, nothing that was sealed can be read again`);
  console.log(`  keep it out of version control:  echo '${out}' >> .gitignore`);
  console.log(`  start with it:  await oubli(knex, { keys: localKeys({ file: '${out}' }) })`);
}

async function list(options: DatabaseOptions): Promise<void> {
  await withConnection(await configOf(options, 'keys list'), async (connection) => {
    await verifySchema(connection);
    for (const epoch of await readEpochs(connection)) console.log(said(epoch));
    for (const line of sayBackups(await restorable(connection))) console.log(line);
  });
}

function said(shown: EpochState): string {
  const { epoch, state, days, keys, destroyAfter, destroyedAt, destruction } = shown;
  const more = {
    newest: '',
    draining: ', npx oubli keys rotate goes on',
    drained: `, to be destroyed after ${destroyAfter?.toISOString()}`,
    scheduled: `, gone on ${destruction?.on}: ${destruction?.how}`,
    destroyed: `, gone since ${destroyedAt?.toISOString()}, ${destruction?.proven ? 'proven' : 'not proven'}: ${destruction?.how}`,
  }[state];
  return `epoch ${epoch}: ${state}, ${days} days old, ${keys} keys${more}${saidOfCompromise(shown)}`;
}

function saidOfCompromise({ epoch, compromisedAt, resealedAt }: EpochState): string {
  if (!compromisedAt) return '';
  const done = resealedAt
    ? `sealed anew by ${resealedAt.toISOString()}`
    : `npx oubli keys compromised ${epoch} goes on`;
  return `, compromised since ${compromisedAt.toISOString()}: ${done}`;
}

async function rotate({
  keep,
  because,
  ...options
}: InstanceOptions & { keep: string; because?: string }): Promise<void> {
  const how = { keep: keep as Keep, signal: stopped(), ...(because === undefined ? {} : { because }) };
  const rotation = await withInstance(options, 'keys rotate', (instance) => instance.epochs.rotate(how));
  for (const line of sayRotation(rotation)) console.log(line);
  if (!rotation.finished) process.exitCode = 1;
}

/** Between two chunks. */
function stopped(): AbortSignal {
  const stop = new AbortController();
  process.once('SIGTERM', () => stop.abort()).once('SIGINT', () => stop.abort());
  return stop.signal;
}

function sayRotation({ epoch, opened, rewrapped, drained, finished, destroyed }: Rotation): string[] {
  return [
    `epoch ${epoch} ${opened ? 'opened' : 'is the newest'}: ${rewrapped} keys wrapped anew`,
    ...drained.map((each) => `  epoch ${each} is drained: no key is wrapped under it any more`),
    ...destroyed.map(
      ({ epoch: each, destruction }) => `  epoch ${each}: its key is ${destruction.is}, ${destruction.how}`,
    ),
    ...(finished ? [] : ['  not finished: run it again']),
  ];
}

async function destroy(epoch: number, { because, ...options }: InstanceOptions & { because: string }): Promise<void> {
  await withInstance(options, 'keys destroy', async ({ epochs }) => {
    const state = (await epochs.list()).find((each) => each.epoch === epoch);
    if (!state) throw new ConfigurationError('NO_SUCH_EPOCH', { epoch });
    console.log(said(state));
    console.log(
      `  no backup from before ${state.drainedAt?.toISOString() ?? 'now'} can be restored afterwards: everybody's keys are lost there`,
    );
    await confirm('destroy', epoch);
    const { is, how } = await epochs.destroy(epoch, { because });
    console.log(`epoch ${epoch}: its key is ${is}, ${how}`);
  });
}

async function confirm(verb: 'destroy' | 'compromised', epoch: number): Promise<void> {
  const phrase = `${verb === 'destroy' ? 'destroy' : 'reseal'} epoch ${epoch}`;
  if ((await answer(`type '${phrase}' to go on: `)) !== phrase)
    throw new ConfigurationError('EPOCH_NOT_CONFIRMED', { phrase, verb, epoch });
}

async function compromised(
  epoch: number,
  { because, ...options }: InstanceOptions & { because: string },
): Promise<void> {
  const stop = stopped();
  await withInstance(options, 'keys compromised', async ({ epochs }) => {
    const state = (await epochs.list()).find((each) => each.epoch === epoch);
    if (!state) throw new ConfigurationError('NO_SUCH_EPOCH', { epoch });
    console.log(said(state));
    console.log('  every living key that it opens is replaced, and every value under them sealed anew');
    console.log('  backups from before stay open to whoever has its key: throw them away');
    if (!state.compromisedAt) await confirm('compromised', epoch);
    const reseal = await epochs.compromised(epoch, { because, signal: stop });
    for (const line of sayReseal(reseal)) console.log(line);
    if (!reseal.finished) process.exitCode = 1;
  });
}

function sayReseal({ epoch, replaced, rows, destroyed, archived, finished }: Reseal): string[] {
  return [
    `epoch ${epoch}: ${replaced} keys replaced, ${rows} rows sealed anew, ${destroyed} old keys destroyed`,
    ...(archived > 0 ? [`  ${archived} keys of archives stay: it opens what they open until that ends`] : []),
    ...(finished ? [] : ['  not finished: run it again']),
  ];
}

/** Opening an instance opens the canaries; a wrong key is named by its role, never by its bytes (ENVELOPE.md K9). */
async function canary(options: InstanceOptions): Promise<void> {
  const name = await withSettings(options, 'keys canary', (knex, settings) =>
    inspected(knex, settings, async () => settings.keys.name),
  );
  console.log(`${name}: the keys of this database`);
}
