/**
 * Objection.js 3 on a protected instance: `npx ts-node examples/objection.ts`. The models, the queries and their results are
 * those of any application; what PostgreSQL holds is not. It starts a PostgreSQL of its own.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import knexPackage from 'knex';
import { knexSnakeCaseMappers } from 'objection';
import { AnnotatingClient, localKeys, oubli } from '../src';
import { generateKeyFile } from '../src/keyring/local-keys';
import { createDatabase, startPostgres } from '../test/support/postgres';
import { User } from './objection/models';
import { migrate } from './objection/schema';
import { story } from './objection/story';

async function main(): Promise<void> {
  const server = await startPostgres();
  const folder = mkdtempSync(path.join(tmpdir(), 'oubli-objection-'));
  try {
    const database = await createDatabase(server.url);
    await play(database.url, path.join(folder, 'oubli.keys'));
    await database.drop();
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true });
  }
}

async function play(connection: string, file: string): Promise<void> {
  await generateKeyFile(file);
  const migrating = knexPackage({ client: AnnotatingClient, connection });
  await migrate(migrating).finally(() => migrating.destroy());
  const knex = knexPackage({ client: 'pg', connection, ...knexSnakeCaseMappers() });
  try {
    const { db, unprotected } = await oubli(knex, { keys: localKeys({ file }) });
    for (const { what, result } of await story(db)) console.log(what.padEnd(18), JSON.stringify(result));

    const alan = { fullName: 'Alan Turing', email: 'alan@example.org', lastIp: '203.0.113.77', locale: 'en' };
    await User.query(db).insert(alan);
    console.log('\nObjection reads:  ', JSON.stringify(await User.query(db).findOne({ email: alan.email })));
    console.log('PostgreSQL holds: ', await unprotected()('users').orderBy('id', 'desc').first());
  } finally {
    await knex.destroy();
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
