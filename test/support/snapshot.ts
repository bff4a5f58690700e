/** Everything that a database holds, row version by row version, to show that nothing was touched. */
import type { Knex } from 'knex';

/** Each table with its rows as they stand in the file, and each sequence with where it stands. */
export async function everythingIn(plain: Knex): Promise<Record<string, unknown>> {
  const { rows } = await plain.raw(`select c.oid::regclass::text as name, c.relkind from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'S') and n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%' order by 1`);
  const found: Record<string, unknown> = {};
  for (const { name, relkind } of rows) {
    const what = relkind === 'S' ? 'last_value, is_called' : 't.ctid, t.xmin, t.xmax, t::text';
    found[name] = (await plain.raw(`select ${what} from ${name} t order by 1`)).rows;
  }
  return found;
}
