/**
 * A mark of the schema as PostgreSQL has it, and of what is declared: another one after each change, and asked for in a fraction of the
 * time that all of it takes to be read. Each row of PostgreSQL's catalogues is a new one when it is changed, with the transaction that
 * wrote it; what VACUUM and ANALYZE count is written in place, and is no change (PostgreSQL's source, heapam.c). Transactions are
 * numbered upwards: where as many rows are left as there were, and one of them is new, the sum of their numbers is greater. To be
 * compared outside of the transaction that makes changes, for all of its own have one number.
 */
import type { Queryable } from '../queryable';

/** Whose rows say something of a team's tables, and by which column those of PostgreSQL itself are passed over. */
const CATALOGUES = {
  pg_class: 'oid',
  pg_attribute: 'attrelid',
  pg_attrdef: 'adrelid',
  pg_type: 'oid',
  pg_constraint: 'oid',
  pg_index: 'indexrelid',
  pg_inherits: 'inhrelid',
  pg_trigger: 'tgrelid',
  pg_rewrite: 'ev_class',
  pg_proc: 'oid',
} as const;
const DECLARED = ['element', 'annotation', 'personal_table', 'reference', 'archive'];
const FIRST_OF_THE_TEAM = 16_384;

const MARK = `select concat_ws(' ', ${[
  ...Object.entries(CATALOGUES).map(([name, key]) =>
    marked(`pg_catalog.${name} t where t.${key} >= ${FIRST_OF_THE_TEAM}`),
  ),
  marked('pg_catalog.pg_namespace t'), // public is one of PostgreSQL's own
  ...DECLARED.map((name) => marked(`oubli.${name} t`)),
].join(', ')}) as mark`;

function marked(rows: string): string {
  return `(select concat(count(*), '/', sum(t.xmin::text::bigint)) from ${rows})`;
}

export async function markOf(connection: Queryable): Promise<string> {
  return String((await connection.query(MARK)).rows[0]?.mark);
}
