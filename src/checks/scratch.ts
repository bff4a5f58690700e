/**
 * A scratch database: empty before a drill restores into it, and again afterwards. What is in it is told by one list, so what was made
 * is what is dropped. A drill that was killed leaves a copy of everybody there, beside a mark that the next one knows it by.
 */
import { ConfigurationError, DrillError } from '../errors';
import type { Queryable } from '../queryable';

/** The comment of the schema that is the mark. */
const SAYS = 'oubli: a restore drill began in this empty database, and drops all that is in it';

/** What somebody made, and how `DROP` names it; in an order in which it can be dropped. Roles and rights are not of a database. */
const MADE = `
select type, name from (
  select 1 as place, 'event trigger' as type, quote_ident(evtname) as name from pg_catalog.pg_event_trigger
  union all select 2, 'publication', quote_ident(pubname) from pg_catalog.pg_publication
  union all select 3, 'extension', quote_ident(extname) from pg_catalog.pg_extension where extname <> 'plpgsql'
  union all select 4, 'schema', quote_ident(nspname) from pg_catalog.pg_namespace
    where nspname !~ '^pg_' and nspname not in ('information_schema', 'public')
      and not (nspname = 'oubli_drill' and obj_description(oid, 'pg_namespace') is not distinct from '${SAYS}')
  union all select 5, case o.type when 'statistics object' then 'statistics' else o.type end, o.identity
    from pg_catalog.pg_depend d, pg_catalog.pg_identify_object(d.classid, d.objid, d.objsubid) o
    where d.refclassid = 'pg_catalog.pg_namespace'::regclass and d.refobjid = to_regnamespace('public') and d.deptype = 'n'
      and o.type <> 'default acl'
      and not exists (select from pg_catalog.pg_depend i -- what goes with something else, and not without
        where i.classid = d.classid and i.objid = d.objid and i.deptype in ('i', 'e'))
  union all select 6, 'foreign data wrapper', quote_ident(fdwname) from pg_catalog.pg_foreign_data_wrapper) made
order by place, type, name`;
const LARGE_OBJECTS = 'select count(*) as count from pg_catalog.pg_largeobject_metadata';
const UNLINK = 'select pg_catalog.lo_unlink(oid) from pg_catalog.pg_largeobject_metadata';

const MARK = `create schema oubli_drill; comment on schema oubli_drill is '${SAYS}'`;
const MARKED = `
select exists (select from pg_catalog.pg_namespace where nspname = 'oubli_drill' and obj_description(oid, 'pg_namespace') = $1) as marked`;
const UNMARK = 'drop schema if exists oubli_drill';

/**
 * Marks an empty database as a drill's. What a drill that was killed left in one that was marked is dropped first.
 * @throws ConfigurationError SCRATCH_NOT_EMPTY: whose data it is cannot be told, so nothing is touched
 */
export async function takeScratch(scratch: Queryable, database: string): Promise<void> {
  if ((await scratch.query(MARKED, [SAYS])).rows[0]?.marked) await clear(scratch, database);
  const count = await countOf(scratch);
  if (count > 0) throw new ConfigurationError('SCRATCH_NOT_EMPTY', { database, count });
  await scratch.query(MARK);
}

/**
 * Each in a transaction of its own, for a schema of thousands of tables takes as many locks; the mark last.
 * @throws DrillError SCRATCH_NOT_CLEARED
 */
export async function clear(scratch: Queryable, database: string): Promise<void> {
  for (const { type, name } of await madeIn(scratch)) await scratch.query(`drop ${type} if exists ${name} cascade`);
  await scratch.query(UNLINK);
  const count = await countOf(scratch);
  if (count > 0) throw new DrillError('SCRATCH_NOT_CLEARED', { database, count });
  await scratch.query(UNMARK);
}

async function countOf(scratch: Queryable): Promise<number> {
  const [large] = (await scratch.query(LARGE_OBJECTS)).rows;
  return (await madeIn(scratch)).length + Number(large?.count);
}

async function madeIn(scratch: Queryable): Promise<{ type: string; name: string }[]> {
  return (await scratch.query(MADE)).rows.map(({ type, name }) => ({ type: String(type), name: String(name) }));
}
