/**
 * Reads the catalogue: our own tables, and PostgreSQL's about columns, keys and foreign keys. Protection is taken from the
 * column's type (the domain), the declaration from `oubli.annotation`; `checks/` compares the two.
 */

import type { Queryable, Row } from '../queryable';
import type { SettledSubjectSpec, SettledTableSpec } from './check-table';
import { limitsOf } from './declared-limits';
import {
  Catalogue,
  type Column,
  type ColumnSpec,
  type Declaration,
  type DeclaredReference,
  type Element,
  type ForeignKey,
  INCOMPARABLE,
  type Table,
  type UniqueKey,
} from './model';
import { FIRES_ON_DELETE, FIRES_ON_UPDATE, IS_TEAM_TRIGGER, IS_WRITING_RULE, type TeamTrigger } from './team-trigger';

const INSTANCE = `select replace(id::text, '-', '') as id from oubli.instance`;

const ELEMENTS = `
select e.id, e.domain::oid::int8 as "domainOid", t.typarray::int8 as "domainArrayOid", t.typname as label, e.protect, e.codec,
       to_regtype(e.declared_type)::oid::int8 as "declaredOid", e.declared_type as "declaredType", e.normaliser, e.search_group as "group", e.compound, e.tokens, e.padding, e.max_bytes as "maxBytes", e.v4, e.v6, e.state
from oubli.element e join pg_catalog.pg_type t on t.oid = e.domain`;

const TABLES = `
select c.oid::int8 as oid, n.nspname as schema, c.relname as name, format('%I.%I', n.nspname, c.relname) as "sqlName",
       case n.nspname when 'public' then '' else quote_ident(n.nspname) || '.' end || quote_ident(c.relname) as "displayName",
       p.subject_kind as kind, p.subject_column as "subjectColumn", p.spec,
       coalesce((select json_agg(a.attname order by k.place)
                 from pg_catalog.pg_index i, unnest(i.indkey) with ordinality k(attnum, place), pg_catalog.pg_attribute a
                 where i.indrelid = c.oid and i.indisprimary and a.attrelid = c.oid and a.attnum = k.attnum), '[]') as "primaryKey",
       c.relkind in ('v', 'm') or exists (select from pg_catalog.pg_trigger g where g.tgrelid = c.oid and g.tgname = 'oubli_guard_insert') as guarded,
       c.relkind in ('v', 'm') as "isView",
       coalesce((select json_agg(i.inhparent::int8) from pg_catalog.pg_inherits i where i.inhrelid = c.oid), '[]') as parents,
       c.relispartition as "isPartition",
       coalesce((select json_agg(json_build_object('name', g.tgname, 'onDelete', ${FIRES_ON_DELETE}, 'onUpdate', ${FIRES_ON_UPDATE}) order by g.tgname)
                 from pg_catalog.pg_trigger g join pg_catalog.pg_proc f on f.oid = g.tgfoid
                 where g.tgrelid = c.oid and ${IS_TEAM_TRIGGER}), '[]') as triggers,
       coalesce((select json_agg(w.rulename order by w.rulename) from pg_catalog.pg_rewrite w
                 where w.ev_class = c.oid and ${IS_WRITING_RULE}), '[]') as rules,
       exists (select from oubli.archive a where a.schema = n.nspname and not a.elsewhere) as "isArchive",
       (select json_agg(json_build_object('name', a.attname, 'position', a.attnum, 'notNull', a.attnotnull,
                 'type', oubli.written_type(a.atttypid, a.atttypmod), 'element', e.id,
                 'identityAlways', a.attidentity = 'a', 'defaultSql', oubli.written_default(c.oid, a.attnum),
                 'generatedFrom', case when a.attgenerated <> '' then (
                    select coalesce(json_agg(distinct f.attname), '[]') from pg_catalog.pg_depend x
                    left join pg_catalog.pg_attrdef v on x.classid = 'pg_attrdef'::regclass and v.oid = x.objid
                    join pg_catalog.pg_attribute f on f.attrelid = x.refobjid and f.attnum = x.refobjsubid
                    where x.refclassid = 'pg_class'::regclass and x.refobjid = c.oid and f.attnum <> a.attnum
                      and (v.adrelid = c.oid and v.adnum = a.attnum
                        or x.classid = 'pg_class'::regclass and x.objid = c.oid and x.objsubid = a.attnum)) end,
                 'spec', s.spec) order by a.attnum)
        from pg_catalog.pg_attribute a
        left join oubli.element e on e.domain = a.atttypid
        left join oubli.annotation s on s.rel = c.oid and s.column_name = a.attname
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join oubli.personal_table p on p.rel = c.oid
where c.relkind in ('r', 'p', 'v', 'm', 'f')
  and n.nspname not in ('pg_catalog', 'information_schema', 'oubli', 'pgboss') and n.nspname not like 'pg\\_%'`;

const REFERENCES = `
select id::int8 as id, name, rel::int8 as "from", parent::int8 as "to", on_delete as "onDelete", to_json(columns) as columns,
       to_json(referred) as references, to_json(forms) as forms, to_json(path) as path,
       coalesce((select json_agg(json_build_array(key, value) order by key) from jsonb_each_text(conditions)), '[]') as "when"
from oubli.table_reference`;

const UNIQUE_KEYS = `
select i.indrelid::int8 as "of", coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) as "nullsEqual",
       (select json_agg(a.attname order by k.place) from unnest(i.indkey) with ordinality k(attnum, place)
        join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
        where k.place <= i.indnkeyatts) as columns
from pg_catalog.pg_index i where i.indisunique and i.indrelid >= 16384 and not 0 = any (i.indkey)`;

/** Reads everything on one connection; inside a transaction it sees that transaction's own changes of schema. */
export async function loadCatalogue(connection: Queryable): Promise<Catalogue> {
  const [instance] = (await connection.query(INSTANCE)).rows;
  const elements = (await connection.query(ELEMENTS)).rows.map(toElement);
  const byId = new Map(elements.map((element) => [element.id, element]));
  const tables = (await connection.query(TABLES)).rows.map((row) => toTable(row, byId));
  const keys = (await connection.query(REFERENCES)).rows.map(toForeignKey);
  const unique = (await connection.query(UNIQUE_KEYS)).rows.map(toUniqueKey);
  return new Catalogue(Buffer.from(String(instance?.id), 'hex'), tables, keys, elements, unique);
}

function toElement(row: Row): Element {
  return {
    id: Number(row.id),
    domainOid: Number(row.domainOid),
    domainArrayOid: Number(row.domainArrayOid),
    label: String(row.label),
    protect: row.protect as Element['protect'],
    codec: String(row.codec),
    declaredOid: Number(row.declaredOid),
    limits: limitsOf(String(row.declaredType)),
    normaliser: orUndefined(row.normaliser),
    group: orUndefined(row.group),
    compound: orUndefined(row.compound),
    tokens: orUndefined(row.tokens),
    padding: String(row.padding),
    maxBytes: Number(row.maxBytes),
    v4: orUndefined(row.v4),
    v6: orUndefined(row.v6),
    state: row.state as Element['state'],
  };
}

function toTable(row: Row, elements: ReadonlyMap<number, Element>): Table {
  const columns = (row.columns as Row[] | null) ?? [];
  return {
    oid: Number(row.oid),
    schema: String(row.schema),
    name: String(row.name),
    sqlName: String(row.sqlName),
    displayName: String(row.displayName),
    guarded: Boolean(row.guarded),
    isView: Boolean(row.isView),
    parents: (row.parents as unknown[]).map(Number),
    isPartition: Boolean(row.isPartition),
    triggers: row.triggers as TeamTrigger[],
    rules: row.rules as string[],
    isArchive: Boolean(row.isArchive),
    primaryKey: row.primaryKey as string[],
    declaration: toDeclaration(row),
    columns: new Map(columns.map((column) => [String(column.name), toColumn(column, elements)])),
  };
}

function toColumn(row: Row, elements: ReadonlyMap<number, Element>): Column {
  return {
    name: String(row.name),
    position: Number(row.position),
    type: String(row.type),
    notNull: Boolean(row.notNull),
    defaultSql: orUndefined(row.defaultSql),
    identityAlways: Boolean(row.identityAlways),
    generatedFrom: orUndefined<readonly string[]>(row.generatedFrom),
    element: row.element === null ? undefined : elements.get(Number(row.element)),
    spec: orUndefined<ColumnSpec>(row.spec),
  };
}

function toDeclaration(row: Row): Declaration | undefined {
  if (row.spec === null) return undefined;
  if (row.kind === null) return { is: 'data', spec: row.spec as SettledTableSpec };
  return {
    is: 'subject',
    kind: String(row.kind),
    column: String(row.subjectColumn),
    spec: row.spec as SettledSubjectSpec,
  };
}

const ON_DELETE = { a: 'no action', r: 'restrict', c: 'cascade', n: 'set null', d: 'set default' } as const;

function toForeignKey(row: Row): ForeignKey {
  return {
    id: Number(row.id),
    name: String(row.name),
    from: Number(row.from),
    to: Number(row.to),
    columns: row.columns as string[],
    references: row.references as string[],
    onDelete: ON_DELETE[row.onDelete as keyof typeof ON_DELETE],
    declared: toDeclaredReference(row),
  };
}

function toDeclaredReference(row: Row): DeclaredReference | undefined {
  if (row.forms === null) return undefined;
  const forms = row.forms as (string | null)[];
  return {
    // a type that was changed since, so that nothing can be compared any more, is refused when the catalogue is verified
    forms: forms.map((form) => form ?? INCOMPARABLE),
    when: row.when as [string, string][],
    path: orUndefined(row.path),
  };
}

function toUniqueKey(row: Row): UniqueKey {
  return { of: Number(row.of), columns: row.columns as string[], nullsDistinct: !row.nullsEqual };
}

function orUndefined<T = never>(value: unknown): T | undefined {
  return value === null || value === undefined ? undefined : (value as T);
}
