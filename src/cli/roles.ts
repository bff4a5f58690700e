/** `oubli roles`: the GRANTs of the roles that are named, as SQL to look at and to run. Reads the schema, changes nothing. */
import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { loadCatalogue } from '../catalogue/load';
import { roleTables } from '../checks/role-tables';
import { type RoleNames, roleGrants, roleScript } from '../checks/roles';
import { ConfigurationError } from '../errors';
import { verifySchema } from '../schema/install';
import { configOf, type DatabaseOptions, withConnection, withDatabaseOptions } from './database';

export function rolesVerb(): Command {
  return withRoleOptions(withDatabaseOptions(new Command('roles')))
    .description('print the GRANTs of the roles named, each with what it needs and no more')
    .option('--out <file>', 'write them there instead')
    .action(roles);
}

/** `--app`, `--purge`, `--export`, `--auditor`, `--keystore`. */
export function withRoleOptions(verb: Command): Command {
  return verb
    .option('--app <role>', 'the role that serves people')
    .option('--purge <role>', 'the role that sweeps and erases')
    .option('--export <role>', 'the role that hands people their data')
    .option('--auditor <role>', 'the role that looks at what was done')
    .option('--keystore <role>', 'the role that alone reads and makes keys, where the application has no right to');
}

/** Only those that were given. */
export function roleNamesIn({ app, purge, export: exporter, auditor, keystore }: RoleNames): RoleNames {
  const given = Object.entries({ app, purge, export: exporter, auditor, keystore }).filter(
    ([, name]) => name !== undefined,
  );
  return Object.fromEntries(given);
}

async function roles(options: DatabaseOptions & RoleNames & { readonly out?: string }): Promise<void> {
  const names = roleNamesIn(options);
  if (Object.keys(names).length === 0) throw new ConfigurationError('NO_ROLES');
  const script = await withConnection(await configOf(options, 'roles'), async (connection) => {
    await verifySchema(connection);
    const catalogue = await loadCatalogue(connection);
    return roleScript(roleGrants(catalogue, names), await roleTables(connection, catalogue));
  });
  if (options.out === undefined) console.log(script);
  else await writeFile(options.out, script);
}
