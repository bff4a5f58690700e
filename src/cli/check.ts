/**
 * `oubli check`: what the declarations leave open, as findings with a fix each; and what blind indexes and search tokens show. Reads the schema and
 * its statistics, never a row of a table.
 */
import { Command } from 'commander';
import { loadCatalogue } from '../catalogue/load';
import { archiveStates, outboxState, sayArchive, sayOutbox } from '../checks/archives';
import { sharedTables, unfoundSubjects } from '../checks/column-subjects';
import { undeclaredColumns } from '../checks/declarations';
import { endingPartitions } from '../checks/ending-partitions';
import { excessGrants } from '../checks/excess-grants';
import type { Finding } from '../checks/finding';
import { undeclaredHistories } from '../checks/history';
import { leaksOf, sayLeak } from '../checks/leakage';
import { roleTables } from '../checks/role-tables';
import { type RoleNames, roleGrants } from '../checks/roles';
import { sayTokenLeak, tokenLeaksOf } from '../checks/token-leakage';
import type { Queryable } from '../queryable';
import { restorable, sayRestorable } from '../registers/epochs';
import { verifySchema } from '../schema/install';
import { configOf, type DatabaseOptions, withConnection, withDatabaseOptions } from './database';
import { roleNamesIn, withRoleOptions } from './roles';

export function checkVerb(): Command {
  return withRoleOptions(withDatabaseOptions(new Command('check')))
    .description(
      'find columns of personal tables that nobody declared, and what roles may do beyond `oubli roles`; exit code 1 if there are any',
    )
    .action(check);
}

async function check(options: DatabaseOptions & RoleNames): Promise<void> {
  const { findings, leaks, shared, archives, backups } = await withConnection(
    await configOf(options, 'check'),
    (connection) => read(connection, roleNamesIn(options)),
  );
  if (leaks.length > 0) console.log(['what search shows to whoever reads the database:', ...leaks].join('\n  '));
  if (shared.length > 0)
    console.log(['rows of several people, each erased and exported alone:', ...shared].join('\n  '));
  if (archives.length > 0) console.log(['the intermediate archive:', ...archives].join('\n  '));
  if (backups.length > 0) console.log(['backups:', ...backups].join('\n  '));
  for (const finding of findings) console.log(written(finding));
  const undeclared = findings.filter(({ check }) => check !== 'roles').length;
  console.log(undeclared === 0 ? 'every column of every personal table is declared' : `${undeclared} to declare`);
  if (findings.length > undeclared) console.log(`${findings.length - undeclared} to take back from roles`);
  if (findings.length > 0) process.exitCode = 1;
}

interface Read {
  readonly findings: Finding[];
  readonly leaks: string[];
  readonly shared: string[];
  readonly archives: string[];
  readonly backups: string[];
}

async function read(connection: Queryable, names: RoleNames): Promise<Read> {
  await verifySchema(connection);
  const leaks = [...(await leaksOf(connection)).map(sayLeak), ...(await tokenLeaksOf(connection)).map(sayTokenLeak)];
  const archives = (await archiveStates(connection)).map(sayArchive);
  archives.push(...sayOutbox(await outboxState(connection)));
  const catalogue = await loadCatalogue(connection);
  const findings = [
    ...undeclaredColumns(catalogue),
    ...unfoundSubjects(catalogue),
    ...undeclaredHistories(catalogue),
    ...(await endingPartitions(connection)),
    ...(await excessGrants(connection, roleGrants(catalogue, names), await roleTables(connection, catalogue))),
  ];
  const backups = sayRestorable(await restorable(connection));
  return { findings, leaks, shared: sharedTables(catalogue), archives, backups };
}

function written({ says, fix }: Finding): string {
  return `${says}\n  fix: ${fix}`;
}
