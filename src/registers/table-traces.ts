/**
 * What tables keep of rows that are gone: dead tuples until a VACUUM, bytes in heap and index pages after it (measured: of 80
 * deleted values VACUUM left 63 in index pages), and the planner's statistics, which keep values of the erased even after an ANALYZE
 * of an emptied table.
 */
import type { Queryable, Row } from '../queryable';
import { stateOf, type Trace, type TracedTable } from './trace';

const TABLES = `
with recursive family(top, oid) as (
  select w.oid, w.oid from unnest($1::oid[]) w(oid)
  union all select f.top, i.inhrelid from family f join pg_catalog.pg_inherits i on i.inhparent = f.oid)
select f.top::int8 as oid, sum(s.n_dead_tup)::int8 as dead, min(coalesce(greatest(s.last_vacuum, s.last_autovacuum), '-infinity')) as vacuumed,
  coalesce(bool_and(greatest(s.last_vacuum, s.last_autovacuum) > $2::timestamptz), false) as "isVacuumed",
  coalesce(bool_and(greatest(s.last_analyze, s.last_autoanalyze) > $2::timestamptz and c.reltuples > 0), false) as "isAnalysed",
  to_char(min(greatest(s.last_vacuum, s.last_autovacuum)) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "vacuumedAt"
from family f join pg_catalog.pg_class c on c.oid = f.oid and c.relkind in ('r', 'm')
left join pg_catalog.pg_stat_all_tables s on s.relid = c.oid
group by f.top`;

// of columns, of expressions that are indexed, and of several columns together; a view shows what this role may read
const STATISTICS = `
with recursive family(top, oid) as (
  select w.oid, w.oid from unnest($1::oid[]) w(oid)
  union all select f.top, i.inhrelid from family f join pg_catalog.pg_inherits i on i.inhparent = f.oid)
select f.top::int8 as oid,
  (select coalesce(json_agg(distinct s.attname), '[]') from family g join pg_catalog.pg_class c on c.oid = g.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_stats s on s.schemaname = n.nspname and s.tablename = c.relname
    where g.top = f.top and (s.most_common_vals is not null or s.histogram_bounds is not null)) as columns,
  (select count(*)::int from family g join pg_catalog.pg_statistic_ext x on x.stxrelid = g.oid where g.top = f.top) as extended,
  (select count(*)::int from family g join pg_catalog.pg_index i on i.indrelid = g.oid where g.top = f.top and i.indexprs is not null) as expressions,
  bool_and(has_table_privilege(f.oid, 'select') and not row_security_active(f.oid)) as readable
from family f group by f.top`;

/** @param erasedAt ISO moment of the erasure */
export async function tableTraces(
  connection: Queryable,
  tables: readonly TracedTable[],
  erasedAt: string,
): Promise<Trace[]> {
  const oids = tables.flatMap(({ oid }) => (oid === undefined ? [] : [oid]));
  const vacuums = byOid((await connection.query(TABLES, [oids, erasedAt])).rows);
  const statistics = byOid((await connection.query(STATISTICS, [oids])).rows);
  return tables.flatMap((each) => {
    const vacuum = vacuums.get(each.oid ?? 0);
    if (!vacuum) return [gone(each)];
    return [deadTuples(each, vacuum), pages(each, vacuum), statisticsOf(each, vacuum, statistics.get(each.oid ?? 0))];
  });
}

function gone({ table }: TracedTable): Trace {
  const says = 'no such table is declared any more: what became of its files, nobody here can tell';
  return { where: 'table', table, state: 'unknown', until: null, says };
}

function deadTuples(traced: TracedTable, { dead, isVacuumed, vacuumedAt }: Row): Trace {
  const { table } = traced;
  const where = 'dead tuples';
  if (isVacuumed)
    return { where, table, state: 'none', until: null, says: `vacuumed at ${vacuumedAt}, after the erasure` };
  const since = vacuumedAt === null ? 'never vacuumed as far as statistics go back' : `last vacuumed at ${vacuumedAt}`;
  return {
    where,
    table,
    state: stateOf([traced]),
    until: null,
    says: `${since}; some ${dead ?? 0} dead tuples: npx oubli vacuum`,
  };
}

function pages(traced: TracedTable, { isVacuumed }: Row): Trace {
  const after = isVacuumed ? 'VACUUM does not overwrite' : 'neither overwritten nor freed before a VACUUM';
  const says = `free space of heap and index pages: ${after}; later rows do, and VACUUM FULL with its REINDEX does at once`;
  return { where: 'heap and index pages', table: traced.table, state: stateOf([traced]), until: null, says };
}

function statisticsOf({ table, clear }: TracedTable, { isAnalysed }: Row, found: Row | undefined): Trace {
  const where = 'statistics';
  const line = (state: Trace['state'], says: string): Trace => ({ where, table, state, until: null, says });
  if (!found?.readable) return line('unknown', 'this role may not read pg_stats of it');
  if (isAnalysed) return line('none', 'analysed after the erasure, from the rows that were left');
  const kept = (found.columns as string[]).filter((name) => clear.includes(name));
  if (kept.length > 0)
    return line('possible', `pg_stats has samples of ${kept.join(', ')} from before: npx oubli vacuum`);
  if (Number(found.extended) + Number(found.expressions) > 0 && clear.length > 0) {
    return line(
      'unknown',
      'statistics over several columns or expressions may hold samples from before: npx oubli vacuum',
    );
  }
  return clear.length === 0
    ? line('sealed', 'personal columns are sealed: samples are ciphertext, and at most a blind index')
    : line('none', 'pg_stats has no sample of its personal columns');
}

function byOid(rows: readonly Row[]): Map<number, Row> {
  return new Map(rows.map((row) => [Number(row.oid), row]));
}
