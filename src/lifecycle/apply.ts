/**
 * Applies a plan to a few people or rows at a time, each time in one transaction: lock and test again, seal anew what is
 * kept, then the one statement that erases and writes the ledger (ERASURE.md A1, A2).
 */
import { randomBytes } from '../crypto/random';
import type { Queryable, Row, Settings } from '../queryable';
import { beginErrand, endErrandAsking } from '../registers/errand';
import type { ResidueHit } from '../registers/examined';
import { sealMoved } from './archive/move';
import type { Engine } from './engine';
import { ERASED_EARLIER, erasureStatement } from './erasure-statement';
import { examine, type Probe } from './examination';
import { fakesFor } from './fakes';
import { heldAmong } from './held';
import { refuseUnindexed } from './indexes';
import { lockGathered } from './lock-found';
import { lockPeople } from './people';
import { placedSince, refusePlaced, refusePlacedSince } from './placed-since';
import { type Plan, refuseBlocked } from './plan';
import { refusedReplacement } from './refused-replacement';
import { resealKept } from './reseal-kept';
import { lockShared } from './shared-branch';
import { shredded } from './shredded';
import { APPLICATION_NAME } from './strain';
import { WrittenAgain } from './written-again';

/** Chooses and locks what leaves: names as text. Runs first in the transaction. */
export type Choose = (connection: Queryable) => Promise<string[]>;
export interface Errand {
  /** `erased` or `expired`, as the ledger names it. */
  readonly act: string;
  readonly because: string;
  /** How long to wait for a row that somebody holds: PostgreSQL's `lock_timeout`. */
  readonly patience: string;
  /** How long one statement may take: PostgreSQL's `statement_timeout`. */
  readonly time: string;
  /** Whether the people are looked for elsewhere first (ERASURE.md L5). */
  readonly probe?: Probe | undefined;
}

export interface Applied {
  /** Rows of the ledger: one a person, or one for all rows of a rule. */
  readonly entries: readonly Row[];
  /** Names of what was chosen, but is not there to be erased: whoever bears them was erased before. */
  readonly passedOver: readonly string[];
  /** Where people stand who were put off for that. */
  readonly putOff?: readonly ResidueHit[];
  /** Those of them that are held, and by which case. */
  readonly held: ReadonlyMap<string, string>;
}

/** What leaves, once it is locked: names, and of each the tag that the statement counts by and the fence's reference. */
interface Leaving {
  readonly names: readonly string[];
  readonly tags: readonly Uint8Array[];
  readonly references: readonly Uint8Array[];
}

const ROWS_TAG = Buffer.from([0]);

/** @throws PlanBlockedError; PostgreSQL's errors about locks and races, nothing being touched then */
export async function applyPlan(engine: Engine, plan: Plan, choose: Choose, errand: Errand): Promise<Applied> {
  refuseBlocked(plan);
  const { leaving, applied } = await engine.database.transaction(async (connection) => {
    await refuseUnindexed(engine.catalogue, plan, connection);
    const chosen = await choose(connection);
    // a new statement sees what was committed while the rows' locks were waited for
    const held = await heldAmong(engine.catalogue, plan, connection, chosen);
    const free = chosen.filter((name) => !held.has(name));
    const all = plan.kind === undefined ? ofRows(free) : await ofPeople(engine, plan.kind, connection, free);
    const { names: left, putOff, finish } = await examine(engine, plan, connection, all.names, errand.probe);
    const leaving = only(left, all);
    const erased = leaving.names.length === 0 ? [] : await erase(engine, plan, connection, leaving, errand);
    const { entries, written } = await finish(erased.filter(isReceipt));
    const beside = erased.filter((entry) => !isReceipt(entry));
    await linked(engine, connection, [...entries, ...beside], written);
    return { leaving, applied: { entries, putOff, passedOver: chosen.filter((name) => !left.has(name)), held } };
  }, settingsOf(errand));
  if (plan.kind !== undefined) {
    for (const keyId of leaving.tags) engine.keys.cache.evict(Buffer.from(keyId).toString('hex'));
  }
  return applied;
}

function only(left: ReadonlySet<string>, { names, tags, references }: Leaving): Leaving {
  if (left.size === new Set(names).size) return { names, tags, references };
  const stays = (_: unknown, place: number): boolean => left.has(names[place] as string);
  return { names: names.filter(stays), tags: tags.filter(stays), references: references.filter(stays) };
}

function ofRows(names: readonly string[]): Leaving {
  return { names, tags: names.map(() => ROWS_TAG), references: [] };
}

async function ofPeople(
  engine: Engine,
  kind: string,
  connection: Queryable,
  chosen: readonly string[],
): Promise<Leaving> {
  const people = await lockPeople(engine.keys, kind, connection, chosen);
  return {
    names: people.map(({ name }) => name),
    tags: people.map(({ keyId }) => keyId),
    references: people.map(({ reference }) => reference),
  };
}

async function erase(
  engine: Engine,
  plan: Plan,
  connection: Queryable,
  { names, tags, references }: Leaving,
  { act, because }: Errand,
): Promise<Row[]> {
  await lockShared(engine.catalogue, plan, connection, names);
  await lockGathered(engine.catalogue, plan, connection, names);
  const resealed = await resealKept(engine, plan, connection, names);
  const moved = await sealMoved(engine, plan, connection, names);
  const statement = erasureStatement(engine.catalogue, plan, resealed.tables);
  const salt = Buffer.from(randomBytes(16)).toString('hex');
  const fakes = await fakesFor(engine, plan, names.length);
  const own = [names, tags, references, act, because, salt, resealed.retained, fakes];
  const parameters = [...own, ...resealed.parameters, ...moved];
  await beginErrand(connection);
  const triggers = await WrittenAgain.watch(engine.catalogue, plan, connection, names);
  const { rows } = await connection.query(statement, parameters).catch((error: unknown) => {
    throw refusedReplacement(error, plan);
  });
  if (triggers) {
    await refusePlacedSince(engine.catalogue, plan, connection);
    await triggers.takeBack(connection);
  }
  const earlier = rows.filter((entry) => !isReceipt(entry)).map(({ key_id }) => key_id as Uint8Array);
  const news = plan.kind === undefined ? undefined : shredded([...tags, ...earlier]);
  refusePlaced(engine.catalogue, plan, await endErrandAsking(connection, placedSince(plan), news));
  return rows;
}

function isReceipt({ act }: Row): boolean {
  return act !== ERASED_EARLIER;
}

/** Last of all: nobody else writes to the ledger from here to the commit. */
async function linked({ ledger }: Engine, connection: Queryable, erased: readonly Row[], written: readonly Row[]) {
  const entries = [...erased, ...written];
  await ledger.chain(
    connection,
    entries.map(({ entry }) => entry),
    entries,
  );
}

/**
 * Dates are compared and named as text, so they are written as ISO 8601 has it. All of a person's rows are found by indexes; before
 * PostgreSQL 18 what has none is so costly then that each statement would be compiled.
 */
function settingsOf({ patience, time }: Errand): Settings {
  return {
    lock_timeout: patience,
    statement_timeout: time,
    application_name: APPLICATION_NAME,
    datestyle: 'ISO',
    enable_seqscan: 'off',
    jit: 'off',
  };
}
