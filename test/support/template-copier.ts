/** Stands in for pg_dump and pg_restore where there are none for the server: PostgreSQL copies the database itself. */
import knexPackage from 'knex';
import type { Copier } from '../../src';

/** @param after what became of the copy on its way, for drills that must find it */
export function templateCopier(server: string, ...after: string[]): Copier {
  return {
    ready: async () => undefined,
    copy: async (from, into) => {
      const postgres = knexPackage({ client: 'pg', connection: server, pool: { min: 0, max: 1 } });
      try {
        await postgres.raw('drop database ?? with (force)', [into.database]);
        await postgres.raw('select pg_terminate_backend(pid) from pg_stat_activity where datname = ?', [from.database]);
        await postgres.raw('create database ?? template ??', [into.database, from.database]);
      } finally {
        await postgres.destroy();
      }
      const copy = new URL(server);
      copy.pathname = `/${into.database}`;
      const scratch = knexPackage({ client: 'pg', connection: String(copy), pool: { min: 0, max: 1 } });
      try {
        for (const statement of after) await scratch.raw(statement);
      } finally {
        await scratch.destroy();
      }
    },
  };
}
