/** An empty database and handles on it that migrations use: what a team has before it installs anything. */
import knexPackage, { type Knex } from 'knex';
import { Client } from 'pg';
import { AnnotatingClient } from '../../src';
import { createDatabase, testServerUrl } from './postgres';

export interface EmptyDatabase {
  readonly url: string;
  /** As the Knex command line has it: declarations understood, no keys. */
  readonly knex: Knex;
  /** Another such handle, with a configuration of its own. */
  connect(config?: Partial<Knex.Config>): Knex;
  /** As psql has it. */
  readonly psql: Client;
  rows(sql: string, params?: unknown[]): Promise<Record<string, unknown>[]>;
  end(): Promise<void>;
}

export async function createEmpty(): Promise<EmptyDatabase> {
  const database = await createDatabase(testServerUrl());
  const pools: Knex[] = [];
  const connect = (config: Partial<Knex.Config> = {}): Knex => {
    const pool = { min: 0, max: 3 };
    const knex = knexPackage({ client: AnnotatingClient, connection: database.url, pool, ...config });
    pools.push(knex);
    return knex;
  };
  const psql = new Client({ connectionString: database.url });
  await psql.connect();
  return {
    url: database.url,
    knex: connect(),
    connect,
    psql,
    rows: async (sql, params = []) => (await psql.query(sql, params)).rows as Record<string, unknown>[],
    end: async () => {
      await psql.end();
      for (const knex of pools) await knex.destroy();
      await database.drop();
    },
  };
}
