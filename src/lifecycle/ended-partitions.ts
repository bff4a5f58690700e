/**
 * Partitions that lie wholly past their date: a rule of rows on a table that is partitioned by range of the rule's anchor may drop them
 * instead of deleting row by row (RUNTIME: a million rows in 56 ms instead of 38 s, and next to no WAL). Only where a DELETE would
 * do nothing else: no trigger (and so no hold or restriction on any of its rows), no row elsewhere that hangs on one of
 * theirs or refers to it.
 */
import { quoteLiteral as literal, type Queryable } from '../queryable';
import { looking } from './branch';
import { dueCondition } from './due';
import { dueSource } from './due-source';
import type { Engine } from './engine';
import { isFree, standing } from './held';
import type { Plan } from './plan';
import { fromName, nameOf } from './root';
import type { Rule } from './rule';

export interface Partition {
  /** OID, as text. */
  readonly rel: string;
  /** `"public"."visits_2020_01"`, and that of the table it is attached to. */
  readonly name: string;
  readonly parent: string;
  /** `FOR VALUES FROM (…) TO (…)`. */
  readonly bound: string;
  /** Whether the table has a default partition, beside which PostgreSQL detaches none CONCURRENTLY. */
  readonly besideDefault: boolean;
}

const OWN = `pg_has_role(c.relowner, 'USAGE') and pg_has_role(up.relowner, 'USAGE')`;
const RANGES = `
select c.oid::bigint::text as rel, format('%I.%I', n.nspname, c.relname) as name, format('%I.%I', un.nspname, up.relname) as parent,
  pg_get_expr(c.relpartbound, c.oid) as bound, p.partdefid <> 0 as "besideDefault"
from pg_catalog.pg_partition_tree($1::regclass) t
join pg_catalog.pg_inherits i on i.inhrelid = t.relid
join pg_catalog.pg_partitioned_table p on p.partrelid = i.inhparent and p.partstrat = 'r' and p.partnatts = 1
join pg_catalog.pg_attribute a on a.attrelid = i.inhparent and a.attnum = p.partattrs[0] and a.attname = $2
join pg_catalog.pg_class c on c.oid = i.inhrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_class up on up.oid = i.inhparent join pg_catalog.pg_namespace un on un.oid = up.relnamespace
where c.relkind in ('r', 'p') and not i.inhdetachpending and ${OWN} order by 1`;

/** DELETE is bit 3 of a trigger's type, TRUNCATE bit 5 (PostgreSQL source, pg_trigger.h). Foreign keys have triggers of their own. */
const TRIGGERS = `
select 1 from pg_catalog.pg_trigger g
where g.tgrelid in ($1::oid, $2::regclass, $3::regclass) and not g.tgisinternal and g.tgtype & 40 <> 0 limit 1`;

/** Hours by which clocks are put forward and back: what is past its date by more is past it wherever it lies within the range. */
const WIDER = "interval '1 day'";

/** The rule's anchor, where whole partitions can end by it. */
export function partitioningAnchor({ kind, retention: { from, then } }: Rule, plan: Plan): string | undefined {
  const [root] = plan.steps;
  const leaves = kind === undefined && then === 'delete' && root?.action === 'delete' && !root.shared;
  return leaves && typeof from === 'string' ? from : undefined;
}

/** @param at SQL of the moment in question */
export async function endedPartitions(
  { database }: Engine,
  rule: Rule,
  anchor: string,
  at: string,
): Promise<Partition[]> {
  return database.snapshot(async (connection) => {
    // bounds are written as the session writes dates
    await connection.query("select set_config('datestyle', 'ISO', true), set_config('timezone', 'UTC', true)");
    const { rows } = await connection.query(RANGES, [rule.table.sqlName, anchor]);
    const ended: Partition[] = [];
    for (const each of rows as unknown as Partition[]) {
      if (await isPast(connection, rule, anchor, each, at)) ended.push(each);
    }
    return ended;
  });
}

async function isPast(
  connection: Queryable,
  rule: Rule,
  anchor: string,
  { bound }: Partition,
  at: string,
): Promise<boolean> {
  const [, upper] = / TO \('(.+)'\)$/.exec(bound) ?? [];
  const type = rule.table.columns.get(anchor)?.type;
  if (upper === undefined || type === undefined) return false;
  const { moment } = dueCondition(rule, 't', { at });
  const end = `(select ${literal(upper)}::${type} as "${anchor.replaceAll('"', '""')}") t`;
  const { rows } = await connection.query(`select ${moment} + ${WIDER} <= ${at} as past from ${end}`);
  return rows[0]?.past === true;
}

/** How many rows it has, if all of them may go with it. What was committed since it was asked before is seen. */
export async function rowsIfAllMayGo(
  { catalogue }: Engine,
  connection: Queryable,
  rule: Rule,
  plan: Plan,
  { rel, name, parent }: Partition,
  at: string,
): Promise<number | undefined> {
  const triggers = await connection.query(TRIGGERS, [rel, rule.table.sqlName, parent]);
  if (triggers.rows.length > 0) return undefined;
  const { where: past } = dueSource(rule, dueCondition(rule, 't', { at }));
  const free = isFree(catalogue, plan, await standing(connection), 't');
  const where = free === undefined ? past : `${past} and ${free}`;
  const counted = `select count(*) as rows, count(*) filter (where ${where}) as due from ${name} t`;
  const [{ rows, due } = {}] = (await connection.query(counted)).rows;
  if (rows !== due || (await hasDependents(catalogue, connection, plan, name))) return undefined;
  return Number(rows);
}

/** Rows of other tables that would go along, or be changed, if these were deleted. */
async function hasDependents(
  catalogue: Engine['catalogue'],
  connection: Queryable,
  plan: Plan,
  name: string,
): Promise<boolean> {
  const others = plan.steps.slice(1);
  if (others.length === 0) return false;
  const steps = others.flatMap((step, place) => looking(catalogue, plan, step, `s${place}`));
  const some = others.map((_, place) => `exists (select from s${place})`).join(' or ');
  const { rows } = await connection.query(`
with root as materialized (
  select '\\x'::bytea as tag, null::bytea as retained, null::jsonb as fakes, ${fromName(plan, 'w.name')}
  from (select ${nameOf(plan, 't')} as name from ${name} t) w),
${steps.join(',\n')}
select ${some} as some`);
  return rows[0]?.some === true;
}
