/**
 * What tables keep of rows that are gone: dead tuples until a VACUUM that nobody's older snapshot holds back, bytes in heap and index
 * pages after it (measured: of 80 deleted values VACUUM left 63 in index pages), and the planner's statistics, which keep values of
 * the erased even after an ANALYZE: of another column, of a column with SET STATISTICS 0, of an emptied table.
 *
 * That nothing is left is claimed where our own VACUUM has seen it (`oubli.vacuumed_table`). Of what others vacuumed PostgreSQL tells
 * when it ended, and neither when it began nor what it had to leave.
 */
import type { Queryable, Row } from '../queryable';
import { stateOf, type Trace, type TracedTable } from './trace';

/** The erasure that is certified. */
export interface Erasure {
  /** ISO moment. */
  readonly at: string;
  /** The number of its transaction, as `oubli.full_number()` has it. */
  readonly transaction: string;
}

const TABLES = `
select w.oid::int8 as oid, s.dead, to_char(s.vacuumed at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "vacuumedAt",
  s.vacuumed > $2::timestamptz as "isVacuumed", coalesce(v.clean_at >= $2::timestamptz and v.clean_before > $3::bigint, false) as "isClean",
  to_char(v.clean_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "cleanAt", v.why,
  coalesce(v.forgotten_at >= $2::timestamptz, false) as "isForgotten",
  to_char(v.forgotten_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "forgottenAt",
  oubli.hides_samples(w.oid) as "isHidden", oubli.vacuum_horizon() <= $3::bigint as "isHeld",
  (select to_json(array_agg(distinct coalesce(x.col, x.relation) order by coalesce(x.col, x.relation)))
   from oubli.samples(w.oid) x where x.is_readable) as samples
from unnest($1::oid[]) w(oid) left join oubli.vacuumed_table v on v.rel = w.oid cross join lateral (
  select sum(t.n_dead_tup)::int8 as dead, min(greatest(t.last_vacuum, t.last_autovacuum)) as vacuumed
  from oubli.family(w.oid) f join pg_catalog.pg_class c on c.oid = f.rel and c.relkind in ('r', 'm')
  join pg_catalog.pg_stat_all_tables t on t.relid in (c.oid, c.reltoastrelid)) s`;

export async function tableTraces(
  connection: Queryable,
  tables: readonly TracedTable[],
  { at, transaction }: Erasure,
): Promise<Trace[]> {
  const oids = tables.flatMap(({ oid }) => (oid === undefined ? [] : [oid]));
  const { rows } = await connection.query(TABLES, [oids, at, transaction]);
  const found = new Map(rows.map((row) => [Number(row.oid), row]));
  return tables.flatMap((each) => {
    const row = found.get(each.oid ?? 0);
    return row ? [deadTuples(each, row), pages(each, row), statisticsOf(each, row)] : [gone(each)];
  });
}

function gone({ table }: TracedTable): Trace {
  const says = 'no such table is declared any more: what became of its files, nobody here can tell';
  return { where: 'table', table, state: 'unknown', until: null, says };
}

function deadTuples(traced: TracedTable, row: Row): Trace {
  const { table } = traced;
  const where = 'dead tuples';
  if (row.isClean) {
    return {
      where,
      table,
      state: 'none',
      until: null,
      says: `vacuumed at ${row.cleanAt}: none was left, and none held`,
    };
  }
  return { where, table, state: stateOf([traced]), until: null, says: `${vacuumOf(row)}: npx oubli vacuum` };
}

function vacuumOf({ vacuumedAt, dead, isVacuumed, isHeld, why }: Row): string {
  const held = isHeld
    ? '; a transaction, a prepared one or a replication slot from before the erasure may still read them'
    : '';
  const last = why === null ? '' : `; the last attempt: ${why}`;
  if (vacuumedAt === null)
    return `never vacuumed as far as statistics go back; some ${dead ?? 0} dead tuples${held}${last}`;
  const since = isVacuumed
    ? `vacuumed at ${vacuumedAt}, of which nobody can tell whether it left some`
    : `last vacuumed at ${vacuumedAt}`;
  return `${since}; some ${dead ?? 0} dead tuples${held}${last}`;
}

function pages(traced: TracedTable, { isVacuumed }: Row): Trace {
  const after = isVacuumed ? 'VACUUM does not overwrite' : 'neither overwritten nor freed before a VACUUM';
  const once = traced.wasClear.map(({ column, until }) =>
    until === null
      ? `; ${column} is still being sealed`
      : `; ${column} stood there in clear until ${until} at the latest`,
  );
  const says = `free space of heap and index pages: ${after}; later rows do, and VACUUM FULL with its REINDEX does at once${once.join('')}`;
  return { where: 'heap and index pages', table: traced.table, state: stateOf([traced]), until: null, says };
}

/** The samples first: when an ANALYZE ended says of none of them whether it is from before. */
function statisticsOf({ table, clear }: TracedTable, { isForgotten, forgottenAt, isHidden, samples }: Row): Trace {
  const line = (state: Trace['state'], says: string): Trace => ({
    where: 'statistics',
    table,
    state,
    until: null,
    says,
  });
  if (isForgotten) return line('none', `at ${forgottenAt} nothing from before the erasure was left in them`);
  const names = samples as string[] | null;
  if (names) return line('possible', `samples of ${names.join(', ')} may be from before: npx oubli vacuum`);
  if (isHidden) return line('unknown', 'this role may not read pg_stats of it');
  return clear.length === 0
    ? line('sealed', 'personal columns are sealed: samples are ciphertext, and at most a blind index')
    : line('none', 'pg_stats has no sample of its personal columns');
}
