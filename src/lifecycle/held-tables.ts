/**
 * Which tables have the triggers of holds and restrictions, brought in line with what stands: placed with the first hold that
 * concerns a table, dropped with the last. One process at a time; each lock is waited for one second and asked for again, so that
 * the application's statements never queue behind us for longer (PostgreSQL manual 13.3.1: SHARE ROW EXCLUSIVE to create a
 * trigger, ACCESS EXCLUSIVE to drop one).
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Catalogue, Table } from '../catalogue/model';
import { SubjectLockedError } from '../errors';
import type { Queryable } from '../queryable';
import { isLocked, isRace } from './database';
import type { Engine } from './engine';
import { graphTables } from './hold-graph';
import { type HoldTrigger, holdTriggers, restrictionTriggers, TRIGGER_NAMES } from './hold-triggers';

/** For whom triggers stand on a table, as `oubli.held_table` says it. */
export const holderOf = {
  case: (id: number): string => `case ${id}`,
  restriction: (kind: string): string => `restriction ${kind}`,
};

const ATTEMPTS = 20;

const ALONE = `select set_config('lock_timeout', '1s', true), pg_advisory_xact_lock(hashtextextended('oubli.holds', 0))`;

const FORGET = `
delete from oubli.held_table t where not exists (select from pg_catalog.pg_class c where c.oid = t.rel)
  or t.holder <> all ($1::text[]) and t.holder not in (
    select 'case ' || c.id from oubli.standing_case c union all select 'restriction ' || r.kind from oubli.restriction r)`;

const KINDS = `
select distinct 'case ' || c.id as holder, p.kind from oubli.held_person p join oubli.standing_case c on c.id = p.case_id
union select distinct 'restriction ' || r.kind, r.kind from oubli.restriction r`;

const NOTE = `
insert into oubli.held_table (rel, holder) select w.rel::oid, $2 from unnest($1::bigint[]) w(rel) on conflict do nothing`;

const STANDING = `
select w.rel::int8 as rel, bool_or(w.restricted) as restricted, bool_or(w.wanted) as wanted from (
  select t.rel::oid as rel, t.holder like 'restriction %' as restricted, true as wanted from oubli.held_table t
  union all
  select g.tgrelid, false, false from pg_catalog.pg_trigger g
  where g.tgname = any($1) and not exists (select from pg_catalog.pg_inherits i where i.inhrelid = g.tgrelid)) w group by w.rel`;

// whoever owns nothing can neither place nor drop a trigger
const ANY = `select (exists (select from oubli.held_table) or exists (select from pg_catalog.pg_trigger g where g.tgname = any($1)))
  and (select pg_has_role(n.nspowner, 'usage') from pg_catalog.pg_namespace n where n.nspname = 'oubli') as there`;

const PLACE = `select oubli.place_hold_trigger($1::bigint::oid, $2, $3, $4, $5)`;

/** Beside each other, but not beside whoever places or drops triggers. */
const BESIDE = `select pg_advisory_xact_lock_shared(hashtextextended('oubli.holds', 0))`;

const STILL_THERE = `
with noted as (update oubli.held_table set placed = placed + 1 where holder = $2 and rel::oid::bigint = any($1::bigint[]) returning rel)
select count(*) as tables from noted`;

/**
 * Something new is held on these tables: their triggers stand before `work` begins, and while it lasts nobody drops them.
 * @throws SubjectLockedError HOLD_BUSY
 */
export async function underTriggers<T>(
  engine: Engine,
  tables: readonly Table[],
  holder: string,
  work: (demand: (connection: Queryable) => Promise<void>) => Promise<T>,
): Promise<T> {
  const oids = [...new Set(tables.map(({ oid }) => oid))];
  const demand = async (connection: Queryable): Promise<void> => {
    await connection.query(BESIDE);
    const [row] = (await connection.query(STILL_THERE, [oids, holder])).rows;
    if (Number(row?.tables) < oids.length) throw new TriggersGone();
  };
  for (let attempt = 1; ; attempt++) {
    await raiseTriggers(engine, tables, holder);
    try {
      return await work(demand);
    } catch (error) {
      if (!(error instanceof TriggersGone) || attempt === ATTEMPTS) throw error;
    }
  }
}

/** Somebody dropped them between the two transactions, since nothing was held yet: once more. */
class TriggersGone extends Error {
  override readonly name = 'TriggersGone';
}

async function raiseTriggers(engine: Engine, tables: readonly Table[], holder: string): Promise<void> {
  await patiently(tables, () =>
    engine.database.transaction(async (connection) => {
      await connection.query(ALONE);
      await connection.query(NOTE, [tables.map(({ oid }) => oid), holder]);
      await alignTriggers(engine.catalogue, connection, holder);
    }),
  );
}

/**
 * Nothing may be held any more, a case's last day is over, or a migration changed the tables. Where somebody has a table for longer
 * than a second, its triggers stay for the next sweep, and where this role does not own them, for the owner's: they refuse nothing that
 * nobody holds.
 */
export async function refreshTriggers({ catalogue, database }: Engine): Promise<void> {
  try {
    await database.transaction(async (connection) => {
      const [any] = (await connection.query(ANY, [[...TRIGGER_NAMES]])).rows;
      if (!any?.there) return;
      await connection.query(ALONE);
      await alignTriggers(catalogue, connection, undefined);
    });
  } catch (error) {
    if (!isLocked(error) && !isRace(error)) throw error;
  }
}

/** @param coming a holder of whom nothing stands yet */
async function alignTriggers(catalogue: Catalogue, connection: Queryable, coming: string | undefined): Promise<void> {
  await connection.query(FORGET, [coming === undefined ? [] : [coming]]);
  for (const { holder, kind } of (await connection.query(KINDS)).rows as { holder: string; kind: string }[]) {
    await connection.query(NOTE, [graphTables(catalogue, kind).map(({ oid }) => oid), holder]);
  }
  const { rows } = await connection.query(STANDING, [[...TRIGGER_NAMES]]);
  for (const row of rows) {
    const table = catalogue.table(Number(row.rel));
    if (table)
      await alignTable(connection, table, wantedOn(catalogue, table, row as { wanted: boolean; restricted: boolean }));
  }
  await connection.query("select oubli.drop_unused_functions('hold')");
}

function wantedOn(catalogue: Catalogue, table: Table, found: { wanted: boolean; restricted: boolean }): HoldTrigger[] {
  const held = found.wanted ? holdTriggers(catalogue, table) : [];
  return found.restricted ? [...held, ...restrictionTriggers(catalogue, table)] : held;
}

async function alignTable(connection: Queryable, table: Table, wanted: readonly HoldTrigger[]): Promise<void> {
  for (const name of TRIGGER_NAMES) {
    const trigger = wanted.find((each) => each.name === name);
    const level = name === 'oubli_hold_truncate' ? 'statement' : 'row';
    await connection.query(PLACE, [table.oid, name, trigger?.timing ?? '', level, trigger?.source ?? null]);
  }
}

async function patiently(tables: readonly Table[], work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!isLocked(error) && !isRace(error)) throw error;
      const names = tables.map(({ displayName }) => displayName).join(', ');
      if (attempt === ATTEMPTS) throw new SubjectLockedError('HOLD_BUSY', { table: names });
      await wait(50 * attempt * (0.5 + Math.random()));
    }
  }
}
