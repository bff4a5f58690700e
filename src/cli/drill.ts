/** `oubli drill`: whether a backup could be restored, and would bring nobody back, tried out in a scratch database. */
import { Command } from 'commander';
import knexPackage from 'knex';
import { dumpTools } from '../checks/dump-tools';
import { type DrillCheck, drill } from '../drill';
import { sayBackups } from '../registers/epochs';
import { type InstanceOptions, withInstanceOptions, withSettings } from './database';

interface Options extends InstanceOptions {
  readonly into: string;
  readonly pgDump?: string;
  readonly pgRestore?: string;
}

export function drillVerb(): Command {
  return withInstanceOptions(new Command('drill'))
    .description('restore a copy into an empty database, replay, verify, and drop it; exit code 1 if anything is wrong')
    .requiredOption('--into <url>', 'an empty database that nobody uses, on a server fit for personal data')
    .option('--pg-dump <path>', 'the program, as new as the server or newer; pg_dump on the PATH unless given')
    .option('--pg-restore <path>', 'the same for pg_restore')
    .action(run);
}

async function run({ into, pgDump, pgRestore, ...options }: Options): Promise<void> {
  const scratch = knexPackage.knex({ client: 'pg', connection: into, pool: { min: 0, max: 2 } });
  const copier = dumpTools({ ...(pgDump && { pgDump }), ...(pgRestore && { pgRestore }) });
  const { passed, checks, restorable, entry } = await withSettings(options, 'drill', (knex, settings) =>
    drill(knex, settings, { into: scratch, copier }),
  ).finally(() => scratch.destroy());
  for (const check of checks) console.log(said(check));
  for (const line of sayBackups(restorable)) console.log(line);
  console.log(`${passed ? 'passed' : 'failed'}: entry ${entry} of the ledger`);
  if (!passed) process.exitCode = 1;
}

const SAYS: Readonly<Record<DrillCheck['check'], (looked: number) => string>> = {
  restored: (looked) => `restored: ${looked} tables`,
  replayed: (looked) => `replayed: ${looked} people erased again`,
  served: (looked) => `served again: the keys fit, ${looked} epochs`,
  chain: (looked) => `the ledger's chain: ${looked} entries`,
  erased: (looked) => `keys that the journal names as destroyed: ${looked}`,
  fence: (looked) => `people who may not come back: ${looked}`,
  dropped: () => 'what the drill made is dropped',
};

function said({ check, looked, wrong, code, says }: DrillCheck): string {
  if (code !== undefined) return `${check}: failed, ${says ?? code}`;
  return wrong === 0 ? SAYS[check](looked) : `${SAYS[check](looked)}, ${wrong} of them wrong`;
}
