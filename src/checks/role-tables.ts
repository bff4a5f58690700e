/** Tables and sequences that the grants of roles are about, as the database has them. */
import type { Catalogue } from '../catalogue/model';
import type { Queryable } from '../queryable';
import { concernedTables } from './declared-grants';

const OWN_TABLES = `
select format('%I.%I', n.nspname, c.relname) as name from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'oubli' and c.relkind in ('r', 'p', 'v') order by c.relname`;

/** Behind `serial` columns; identity columns need none. */
const SEQUENCES = `
select distinct format('%I.%I', n.nspname, s.relname) as name
from pg_catalog.pg_depend d join pg_catalog.pg_class s on s.oid = d.objid and s.relkind = 'S'
join pg_catalog.pg_namespace n on n.oid = s.relnamespace
where d.classid = 'pg_catalog.pg_class'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass and d.deptype = 'a'
  and d.refobjid = any($1::oid[]) order by 1`;

export interface RoleTables {
  /** Quoted: those of the schema `oubli`, the declared ones, and what stands beneath them. */
  readonly tables: string[];
  readonly sequences: string[];
}

export async function roleTables(connection: Queryable, catalogue: Catalogue): Promise<RoleTables> {
  const own = (await connection.query(OWN_TABLES)).rows.map(({ name }) => String(name));
  const declared = [...new Set(concernedTables(catalogue).flatMap((table) => catalogue.family(table)))];
  const { rows } = await connection.query(SEQUENCES, [declared.map(({ oid }) => oid)]);
  return {
    tables: [...own, ...declared.map(({ sqlName }) => sqlName)],
    sequences: rows.map(({ name }) => String(name)),
  };
}
