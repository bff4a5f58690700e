/**
 * `npm run torture [-- <rows> [<the command's main file>]]`: a table of a million people is annotated, and sealed by the command as
 * fast as it goes, which may not take more than 300 MB. Prints what it took; ends with 1 when it took more.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import knexPackage, { type Knex } from 'knex';
import { annotate, install, SCHEMA_VERSION } from '../../src';
import { generateKeyFile } from '../../src/keyring/local-keys';
import { createDatabase, startPostgres } from '../support/postgres';

const MOST_MEGABYTES = 300;

async function run(people: number, main: string): Promise<void> {
  const server = await startPostgres({ fresh: true, onDisk: true });
  const database = await createDatabase(server.url);
  const folder = mkdtempSync(path.join(tmpdir(), 'oubli-torture-'));
  const file = path.join(folder, 'oubli.keys');
  await generateKeyFile(file);
  const knex = knexPackage({ client: 'pg', connection: database.url, pool: { min: 0, max: 2 } });
  try {
    await declare(knex, people);
    await seal(database.url, file, people, main);
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

/** The command in a process of its own, which says at its end the most that it ever had in memory. */
async function seal(url: string, file: string, people: number, main: string): Promise<void> {
  const code = `process.on('exit', () => console.error('maxRSS ' + process.resourceUsage().maxRSS)); require(process.argv[1]);`;
  const compile = main.endsWith('.ts') ? ['-r', 'ts-node/register'] : [];
  const args = [main, 'backfill', 'people', '--keys', file, '--load', '1'];
  const began = performance.now();
  const child = spawn(process.execPath, [...compile, '-e', code, ...args], {
    env: { ...process.env, DATABASE_URL: url },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => {
    said += bytes.toString();
    process.stderr.write(bytes);
  });
  const [status] = await once(child, 'close');
  const seconds = Math.round((performance.now() - began) / 1000);
  const megabytes = Math.round(Number(/maxRSS (\d+)/.exec(said)?.[1]) / 1024);
  process.stdout.write(`${JSON.stringify({ people, seconds, megabytes })}\n`);
  if (status !== 0 || !(megabytes <= MOST_MEGABYTES)) process.exitCode = 1;
}

const [people = '1000000', main = 'dist/cli/main.js'] = process.argv.slice(2);
void run(Number(people), path.resolve(main));
