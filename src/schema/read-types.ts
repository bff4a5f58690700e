/** The tables of a database as their columns' types: what `oubli types` writes down. Reads the catalogue, never a row. */
import { quotedTable, tableNameFrom } from '../catalogue/table-name';
import { AnnotationError } from '../errors';
import type { Queryable } from '../queryable';

export interface TypedColumn {
  readonly name: string;
  /** OID of the type as `pg` sees it: of a domain the base type, of a protected column the one it was declared with. */
  readonly type: number;
  /** The labels of an enumeration, in their order. */
  readonly labels: readonly string[] | null;
  readonly nullable: boolean;
  /** An insert may leave it out. */
  readonly optional: boolean;
  readonly sealed: boolean;
  /** The column of the table by which the person is found whom this one is about, where that is not the table's own subject. */
  readonly via: string | null;
}

export interface TypedTable {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly TypedColumn[];
}

const TABLES = `
with recursive base(id, at) as (
  select t.oid, t.oid from pg_catalog.pg_type t
  union all select b.id, t.typbasetype from base b join pg_catalog.pg_type t on t.oid = b.at and t.typtype = 'd')
select n.nspname as schema, c.relname as name, json_agg(json_build_object(
    'name', a.attname, 'type', y.oid::int8, 'sealed', e.protect is not distinct from 'encrypt', 'via', s.spec #>> '{subject,via}',
    'labels', (select json_agg(l.enumlabel order by l.enumsortorder) from pg_catalog.pg_enum l where l.enumtypid = y.oid),
    'nullable', not a.attnotnull, 'optional', not a.attnotnull or a.atthasdef or a.attidentity <> '') order by a.attnum) as columns
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join oubli.element e on e.domain = a.atttypid
left join oubli.annotation s on s.rel = a.attrelid and s.column_name = a.attname
join base b on b.id = coalesce(to_regtype(e.declared_type)::oid, a.atttypid)
join pg_catalog.pg_type y on y.oid = b.at and y.typtype <> 'd'
where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
  and n.nspname not in ('pg_catalog', 'information_schema', 'oubli', 'pgboss') and n.nspname not like 'pg\\_%'
  and ($1::oid[] is null or c.oid = any($1))
group by n.nspname, c.relname order by n.nspname <> 'public', n.nspname, c.relname`;

/**
 * @param names those that are wanted, as in SQL or as in Knex; where none are named, all but those that Knex keeps for itself
 * @throws AnnotationError NO_SUCH_TABLE
 */
export async function typedTables(connection: Queryable, names: readonly string[]): Promise<TypedTable[]> {
  const ids: number[] = [];
  for (const name of names) ids.push(await idOf(connection, name));
  const { rows } = await connection.query(TABLES, [names.length > 0 ? ids : null]);
  const tables = rows.map((row) => row as unknown as TypedTable);
  return names.length > 0 ? tables : tables.filter((table) => !isKnexOwn(table, tables));
}

const MIGRATIONS = 'id,name,batch,migration_time';
const LOCK = 'index,is_locked';

/** The list of migrations and its lock, under whatever name: they go in pairs (knex/lib/migrations/migrate/table-creator.js). */
function isKnexOwn(table: TypedTable, tables: readonly TypedTable[]): boolean {
  const lists = tables.filter((each) => each.schema === table.schema && columnsOf(each) === MIGRATIONS);
  const pairs = lists.flatMap((list) => {
    const lock = tables.find(({ schema, name }) => schema === list.schema && name === `${list.name}_lock`);
    return lock && columnsOf(lock) === LOCK ? [list, lock] : [];
  });
  return pairs.includes(table);
}

function columnsOf({ columns }: TypedTable): string {
  return columns.map(({ name }) => name).join();
}

async function idOf(connection: Queryable, name: string): Promise<number> {
  const { rows } = await connection.query('select to_regclass($1)::oid::int8 as id', [
    quotedTable(tableNameFrom(name)),
  ]);
  const id = rows[0]?.id;
  if (id === null || id === undefined) throw new AnnotationError('NO_SUCH_TABLE', { call: 'types', table: name });
  return Number(id);
}
