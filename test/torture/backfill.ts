/**
 * `npm run torture [-- <rows>]`: a table of a million people is annotated and sealed, as fast as it goes, and this process may not
 * need more than 300 MB for it. Prints what it took; ends with 1 when it took more.
 */
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import knexPackage, { type Knex } from 'knex';
import { annotate, install, localKeys, oubli, SCHEMA_VERSION } from '../../src';
import { progressView } from '../../src/cli/progress';
import { generateKeyFile } from '../../src/keyring/local-keys';
import { createDatabase, startPostgres } from '../support/postgres';

const MOST_MEGABYTES = 300;

async function run(people: number): Promise<void> {
  const server = await startPostgres();
  const database = await createDatabase(server.url);
  const folder = mkdtempSync(path.join(tmpdir(), 'oubli-torture-'));
  const file = path.join(folder, 'oubli.keys');
  await generateKeyFile(file);
  const knex = knexPackage({ client: 'pg', connection: database.url, pool: { min: 0, max: 2 } });
  try {
    await declare(knex, people);
    await seal(knex, file, people);
  } finally {
    await knex.destroy();
    await database.drop();
    await server.stop();
    await rm(folder, { recursive: true });
  }
}

async function declare(knex: Knex, people: number): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.raw('create table people (id int primary key, left_on date, name text, email text)');
  await knex.raw(
    `insert into people select n, null, 'Person ' || n, n || '@example.org' from generate_series(1, ?::int) n`,
    [people],
  );
  await annotate(knex, 'people', {
    subject: {
      kind: 'person',
      purpose: 'torture',
      basis: 'contract',
      retention: { from: 'left_on', keep: '6 months', then: 'erase' },
    },
    columns: {
      left_on: { notPersonal: 'the event that starts the clock' },
      name: { category: 'identity.name', protect: 'encrypt' },
      email: { category: 'contact.email', protect: 'encrypt', search: 'email', unique: true },
    },
  });
}

async function seal(knex: Knex, file: string, people: number): Promise<void> {
  const { backfill, close } = await oubli(knex, { keys: localKeys({ file }) });
  const before = megabytes();
  const began = performance.now();
  const view = progressView('backfill', process.stderr);
  const { rows } = await backfill('people', { load: 1, onProgress: view.show }).finally(view.stop);
  await close();
  const seconds = (performance.now() - began) / 1000;
  const took = { rows, seconds: Math.round(seconds), megabytesBefore: before, megabytes: megabytes() };
  process.stdout.write(`${JSON.stringify(took)}\n`);
  if (rows !== people || megabytes() > MOST_MEGABYTES) process.exitCode = 1;
}

/** The most that this process ever had in memory, compiler and all. */
function megabytes(): number {
  return Math.round(process.resourceUsage().maxRSS / 1024);
}

void run(Number(process.argv[2] ?? 1_000_000));
