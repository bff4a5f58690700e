/**
 * Declares a table that already exists. An empty table is protected at once; one with rows begins a transition: new writes
 * are sealed from then on, old rows stay readable, and `backfill` seals them. All in the caller's transaction.
 */
import type { Knex } from 'knex';
import { checkAnnotateSpec } from '../catalogue/check-annotate';
import type { SettledPersonalSpec } from '../catalogue/check-personal';
import { searchOf } from '../catalogue/search';
import type { AnnotateSpec, NotPersonalSpec, Search } from '../catalogue/spec';
import { suggest } from '../catalogue/suggest';
import { quotedTable, tableNameFrom } from '../catalogue/table-name';
import { AnnotationError } from '../errors';
import { archiveOf } from './archive-store';
import { changesType, defineElement, domainName } from './element-definition';
import { asAnnotationError } from './migration-errors';
import {
  annotateColumn,
  annotateData,
  annotateSubjects,
  type Bound,
  beginTransition,
  defineDomain,
  endTransition,
  type Protection,
  refreshGuard,
} from './statements';

interface ExistingColumn {
  readonly name: string;
  readonly type: string;
  readonly default: string | null;
  /** What would mean nothing over ciphertext, and the statement that removes it. */
  readonly used: string | null;
  readonly drop: string | null;
}

interface ExistingTable {
  readonly sqlName: string;
  readonly schema: string;
  readonly name: string;
  readonly hasRows: boolean;
  readonly columns: ReadonlyMap<string, ExistingColumn>;
}

/**
 * Declares an existing table, by name, optionally with its schema (`billing.customers`).
 *
 * Takes an ACCESS EXCLUSIVE lock until its transaction ends: nobody reads or writes the table meanwhile. A table with rows is
 * rewritten once, however many columns are to be sealed, at the speed of PostgreSQL's `ALTER COLUMN … TYPE`; set a
 * `lock_timeout` before it on a busy server, and give it a migration of its own.
 *
 * @throws AnnotationError naming table and column, with the correction; nothing is changed then
 * @example
 * await annotate(knex, 'customers', {
 *   subject: { kind: 'customer', purpose: 'sell', basis: 'contract', retention: { from: 'left_on', keep: '6 months', then: 'erase' } },
 *   columns: { email: { category: 'contact.email', protect: 'encrypt', search: 'email' } },
 * });
 */
export async function annotate<Column extends string = string>(
  knex: Knex,
  table: string,
  spec: AnnotateSpec<Column>,
): Promise<void> {
  const settled = checkAnnotateSpec(table, spec);
  const run = async (trx: Knex): Promise<void> => {
    const existing = await readTable(trx, table);
    const columns = carriersLast(Object.entries(settled.columns));
    const protections = columns.flatMap(([name, said]) => protectionOf(existing, columnOf(existing, name), said));
    for (const each of protections)
      await execute(trx, defineDomain(each.domain, each.definition, existing.schema, true));
    if (protections.length > 0) await execute(trx, beginTransition(existing.sqlName, protections));
    for (const [name, said] of columns) await execute(trx, annotateColumn(existing.sqlName, name, said));
    if (!existing.hasRows)
      for (const { column } of protections) await execute(trx, endTransition(existing.sqlName, column));
    if (settled.subject) await execute(trx, annotateSubjects(existing.sqlName, settled.subject.kind, settled.subject));
    if (settled.data) await execute(trx, annotateData(existing.sqlName, settled.data));
    for (const each of archiveOf(existing.sqlName, settled.data?.retention?.archive)) await execute(trx, each);
    await execute(trx, refreshGuard(existing.sqlName));
  };
  await (knex.isTransaction ? run(knex) : knex.transaction(run));
}

/** A column that carries a compound index needs the others to be sealed. */
function carriersLast<Said>(columns: readonly (readonly [string, Said])[]): readonly (readonly [string, Said])[] {
  const carries = ([, said]: readonly [string, Said]): boolean => {
    const { search } = said as { search?: Search };
    return search !== undefined && searchOf(search).with !== undefined;
  };
  return [...columns.filter((each) => !carries(each)), ...columns.filter(carries)];
}

/** The protection that a column is to have; none where its type stays. */
function protectionOf(
  table: ExistingTable,
  column: ExistingColumn,
  said: SettledPersonalSpec | NotPersonalSpec,
): Protection[] {
  if ('notPersonal' in said || !changesType(said)) return [];
  if (said.protect === 'encrypt' && said.search && searchOf(said.search).with && table.hasRows)
    throw new AnnotationError('COMPOUND_ON_ROWS', { table: table.name, column: column.name });
  const definition = defineElement(table.name, column.name, said, column.type);
  if (said.protect === 'encrypt' && column.used) throw inUse(table, column, column.used, column.drop ?? '');
  if (column.default !== null) {
    const drop = `alter table ${table.sqlName} alter column ${column.name} drop default`;
    throw inUse(table, column, `the default ${column.default}`, drop);
  }
  const domain = domainName([...(table.schema === 'public' ? [] : [table.schema]), table.name, column.name]);
  return [{ column: column.name, domain, definition }];
}

function inUse(table: ExistingTable, column: ExistingColumn, what: string, drop: string): AnnotationError {
  return new AnnotationError('COLUMN_IN_USE', { table: table.name, column: column.name, what, drop });
}

function columnOf(table: ExistingTable, name: string): ExistingColumn {
  const column = table.columns.get(name);
  if (column) return column;
  const suggestion = suggest(name, [...table.columns.keys()]);
  throw new AnnotationError('NO_SUCH_COLUMN', { table: table.name, column: name, suggestion });
}

const TABLE = `
select c.oid::regclass::text as "sqlName", n.nspname as schema, c.relname as name
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid = to_regclass(?) and c.relkind in ('r', 'p')`;

const COLUMNS = `
select a.attname as name, format_type(a.atttypid, a.atttypmod) as type, pg_get_expr(d.adbin, d.adrelid) as default,
       coalesce(k.conname, i.relname) as used,
       case when k.conname is not null then format('alter table %s drop constraint %I', k.conrelid::regclass, k.conname)
            else format('drop index %s', i.oid::regclass) end as drop
from pg_catalog.pg_attribute a
left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
left join lateral (select k.conname, k.conrelid from pg_catalog.pg_constraint k
  where k.contype <> 'n' and (k.conrelid = a.attrelid and a.attnum = any(k.conkey)
     or k.confrelid = a.attrelid and a.attnum = any(k.confkey)) limit 1) k on true
left join lateral (select ic.relname, ic.oid from pg_catalog.pg_index x join pg_catalog.pg_class ic on ic.oid = x.indexrelid
  where x.indrelid = a.attrelid and (a.attnum = any(x.indkey) or exists ( -- also in an expression, or in a condition
    select from pg_catalog.pg_depend d where d.classid = 'pg_class'::regclass and d.objid = x.indexrelid
      and d.refclassid = 'pg_class'::regclass and d.refobjid = a.attrelid and d.refobjsubid = a.attnum)) limit 1) i on true
where a.attrelid = to_regclass(?) and a.attnum > 0 and not a.attisdropped`;

async function readTable(trx: Knex, name: string): Promise<ExistingTable> {
  const quoted = quotedTable(tableNameFrom(name));
  const { rows } = await trx.raw(TABLE, [quoted]);
  const [table] = rows as Omit<ExistingTable, 'hasRows' | 'columns'>[];
  if (!table) {
    const suggestion = await nearestTable(trx, name);
    throw new AnnotationError('NO_SUCH_TABLE', { call: 'annotate', table: name, suggestion });
  }
  const columns = (await trx.raw(COLUMNS, [quoted])).rows as ExistingColumn[];
  const { rows: some } = await trx.raw(`select 1 from ${table.sqlName} limit 1`);
  return { ...table, hasRows: some.length > 0, columns: new Map(columns.map((column) => [column.name, column])) };
}

async function nearestTable(trx: Knex, name: string): Promise<string | undefined> {
  const { rows } = await trx.raw(
    `select relname from pg_catalog.pg_class where relkind in ('r', 'p') and pg_table_is_visible(oid)`,
  );
  return suggest(
    name,
    (rows as { relname: string }[]).map((row) => row.relname),
  );
}

/** Also on a Knex instance that knows nothing of declarations. */
async function execute(trx: Knex, { sql, bindings }: Bound): Promise<void> {
  try {
    await trx.raw(sql, [...bindings]);
  } catch (error) {
    throw asAnnotationError(error);
  }
}
