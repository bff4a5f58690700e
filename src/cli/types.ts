/** `oubli types [TABLE…]`: declarations of the tables' rows for Knex, from the database. Reads the schema, never a row of a table. */
import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { Client } from 'pg';
import { withOwnTypes } from '../own-types';
import { verifySchema } from '../schema/install';
import { typedTables } from '../schema/read-types';
import { writtenTypes } from '../schema/written-types';
import { requiredUrl, urlOption } from './database';

export function typesVerb(): Command {
  return new Command('types')
    .description("write the row types of the database's tables, for Knex's Tables")
    .argument('[tables...]', 'only these; all tables and views unless some are named')
    .option('--out <file>', 'where to write them: src/tables.d.ts; printed unless said otherwise')
    .addOption(urlOption())
    .action(types);
}

async function types(names: string[], { url, out }: { url?: string; out?: string }): Promise<void> {
  const text = await typesIn(requiredUrl(url, 'types'), names);
  if (!out) {
    process.stdout.write(text);
    return;
  }
  await writeFile(out, text);
  console.log(`wrote ${out}`);
}

async function typesIn(url: string, names: readonly string[]): Promise<string> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await verifySchema(client);
    return writtenTypes(await typedTables(withOwnTypes(client), names));
  } finally {
    await client.end();
  }
}
