/** What the scenes play in: a server of its own, a key file, the application's Knex instance, and psql's view beside it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import knexPackage, { type Knex } from 'knex';
import { Client } from 'pg';
import { AnnotatingClient } from '../../src';
import { type FreshServer, startPostgres } from '../../test/support/postgres';
import { onExit } from '../../test/support/postgres/exit';

export interface Setting {
  readonly server: FreshServer;
  /** Where the key file stands: beside the application, never beside the data. */
  readonly keyFile: string;
  /** As the knexfile has it: understands declarations, holds no keys. */
  readonly migrating: Knex;
  /** As the application has it, before `oubli()` protects it. */
  readonly knex: Knex;
  /** As psql, a backup or a thief has it. */
  readonly psql: Client;
  strike(): Promise<void>;
}

/** A server that logs every statement with its parameters: the log is one of the places to be searched. */
const TALKATIVE = { log_statement: 'all', log_parameter_max_length: '-1', log_parameter_max_length_on_error: '-1' };

export async function setUp(): Promise<Setting> {
  const server = await startPostgres({ fresh: true, settings: TALKATIVE });
  const { folder, remove } = temporaryFolder();
  const connection = server.url;
  const migrating = knexPackage({ client: AnnotatingClient, connection, pool: { min: 0, max: 1 } });
  const knex = knexPackage({ client: 'pg', connection, pool: { min: 0, max: 5 } });
  const psql = new Client({ connectionString: connection });
  await psql.connect();
  const strike = async (): Promise<void> => {
    await psql.end();
    await migrating.destroy();
    await knex.destroy();
    await server.stop();
    remove();
  };
  return { server, keyFile: path.join(folder, 'oubli.keys'), migrating, knex, psql, strike };
}

/** Gone with this process, also when it is interrupted. */
function temporaryFolder(): { folder: string; remove(): void } {
  const folder = mkdtempSync(path.join(tmpdir(), 'oubli-demo-'));
  const act = (): void => rmSync(folder, { recursive: true, force: true });
  const takeBack = onExit(act);
  return {
    folder,
    remove: () => {
      act();
      takeBack();
    },
  };
}
