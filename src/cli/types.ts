/** `oubli types [TABLE…]`: declarations of the tables' rows for Knex, from the database. Reads the schema, never a row of a table. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Command } from 'commander';
import type { Queryable } from '../queryable';
import { verifySchema } from '../schema/install';
import { typedTables } from '../schema/read-types';
import { writtenTypes } from '../schema/written-types';
import { configOf, type DatabaseOptions, withConnection, withDatabaseOptions } from './database';
import { CAMEL_CASE, type Naming, named, namingOf } from './naming';

interface Options extends DatabaseOptions {
  readonly out?: string;
  readonly camelCase?: true;
}

export function typesVerb(): Command {
  return withDatabaseOptions(new Command('types'))
    .description("write the row types of the database's tables, for Knex's Tables")
    .argument('[tables...]', "only these, as the database calls them; all but Knex's own unless some are named")
    .option('--out <file>', 'where to write them: src/tables.d.ts; printed unless said otherwise')
    .option('--camel-case', "userName for user_name, where the application's mapper does not stand in the knexfile")
    .action(types);
}

async function types(names: string[], { out, camelCase, ...options }: Options): Promise<void> {
  const file = out && path.resolve(out); // before a knexfile changes where we are
  const config = await configOf(options, 'types');
  const naming = camelCase ? CAMEL_CASE : namingOf(config);
  const text = await withConnection(config, (connection) => typesIn(connection, names, naming));
  if (!file) {
    process.stdout.write(text);
    return;
  }
  await writeFile(file, text);
  console.log(`wrote ${out}`);
}

async function typesIn(connection: Queryable, names: readonly string[], naming: Naming): Promise<string> {
  await verifySchema(connection);
  return writtenTypes(named(await typedTables(connection, names), naming));
}
