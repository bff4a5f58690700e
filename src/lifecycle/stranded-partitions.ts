/**
 * Partitions on their way out of which no rule speaks any more: it was dropped, or starts from another column, after a run that was
 * interrupted. What is detached stands where neither queries nor erasures look: it is attached again, and leaves, if it does, as
 * rows of its table do.
 */
import { PlanBlockedError } from '../errors';
import type { Queryable } from '../queryable';
import { isLocked } from './database';
import { partitioningAnchor } from './ended-partitions';
import type { Engine } from './engine';
import { FORGET, lockOf } from './partition-end';
import { rulesOf } from './rule';
import { planOf } from './rule-plan';

interface Stranded {
  readonly rel: string;
  readonly name: string;
  /** Null where the table is gone of which it was a partition. */
  readonly parent: string | null;
  readonly bound: string;
  readonly there: boolean;
  readonly attached: boolean;
  readonly pending: boolean;
}

const STRANDED = `
select e.rel::oid::bigint::text as rel, e.rel::text as name, p.oid::regclass::text as parent, e.bound, c.oid is not null as there,
  i.inhrelid is not null as attached, coalesce(i.inhdetachpending, false) as pending
from oubli.ending_partition e left join pg_catalog.pg_class c on c.oid = e.rel left join pg_catalog.pg_class p on p.oid = e.parent
left join pg_catalog.pg_inherits i on i.inhrelid = e.rel and i.inhparent = e.parent
where not exists (select from unnest($1::oid[]) r(rel), pg_partition_tree(r.rel::regclass) t where t.relid = e.parent) order by e.rel`;
const SETTINGS = `select set_config('lock_timeout', '5s', true)`;
const MINE = 'select pg_try_advisory_xact_lock(hashtextextended($1, 0)) as mine';
/** A bound that something else has by now, a row that does not fit: classes 42, 55 and 23. */
const UNFIT = /^(?:42|55|23)/;

/** @throws PlanBlockedError PARTITION_STRANDED, where a human has to say what becomes of it */
export async function attachStranded(engine: Engine): Promise<void> {
  const ending = rulesOf(engine.catalogue).filter(
    (rule) => partitioningAnchor(rule, planOf(engine, rule)) !== undefined,
  );
  const stranded = await engine.database.transaction((connection) =>
    connection.query(STRANDED, [ending.map(({ table }) => table.oid)]),
  );
  let failure: unknown;
  for (const each of stranded.rows as unknown as Stranded[]) {
    await attach(engine, each).catch((error: unknown) => {
      // who reads it now is waited for by the next sweep, and `oubli check` names it until then
      if (!isLocked(error)) failure ??= refused(error, each);
    });
  }
  if (failure !== undefined) throw failure;
}

function attach({ database }: Engine, stranded: Stranded): Promise<void> {
  return database.transaction(async (connection) => {
    await connection.query(SETTINGS);
    const [{ mine } = {}] = (await connection.query(MINE, [lockOf(stranded)])).rows;
    if (mine === true) await attachTo(connection, stranded);
  });
}

async function attachTo(connection: Queryable, stranded: Stranded): Promise<void> {
  const { rel, name, parent, bound, there, attached, pending } = stranded;
  if ((await connection.query(FORGET, [rel])).rows.length === 0 || !there || (attached && !pending)) return;
  if (parent === null) throw strandedAt(stranded);
  if (pending) await connection.query(`alter table ${parent} detach partition ${name} finalize`);
  await connection.query(`alter table ${parent} attach partition ${name} ${bound}`);
}

function refused(error: unknown, stranded: Stranded): unknown {
  return UNFIT.test(String((error as { code?: unknown }).code)) ? strandedAt(stranded) : error;
}

function strandedAt({ name, parent, bound }: Stranded): PlanBlockedError {
  return new PlanBlockedError('PARTITION_STRANDED', { table: name, parent: parent ?? undefined, bound });
}
