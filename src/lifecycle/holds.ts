/**
 * Holds (ERASURE.md H1): a case names people and rows that must stay as they are, whatever is due or asked for. Of many cases
 * about one person each holds her by itself. A committed hold wins over whatever has not been erased by then; what was erased stays
 * erased.
 */

import { suggest } from '../catalogue/suggest';
import { tableNamed } from '../catalogue/table-name';
import { ConfigurationError } from '../errors';
import type { Queryable } from '../queryable';
import { canonicalId } from './canonical-id';
import { deferredNow, type Redrive } from './deferred';
import type { Engine } from './engine';
import { type HeldArchive, holdArchive } from './held-archive';
import { type HeldRows, holdRows } from './held-rows';
import { holderOf, refreshTriggers, underTriggers } from './held-tables';
import { graphTables } from './hold-graph';
import { writeEntry } from './hold-ledger';
import { aboutPerson } from './lock-person';

export interface HoldCase {
  /** A file number, say. It stands in errors, in the ledger and in reports: no person's name. */
  readonly name: string;
  /** Why the law lets it hold what would leave: a lawsuit (GDPR Art. 17(3)(e)), an audit. */
  readonly ground: string;
  /** ISO date of its last day (UTC); until it is released unless given. */
  readonly until?: string;
}

export interface StandingCase extends HoldCase {
  readonly openedAt: Date;
  /** False once its last day is over: it holds nothing any more, and is released when you say so. */
  readonly holds: boolean;
  /** Also those of whom it holds what was archived. */
  readonly people: number;
  readonly rows: number;
}

/** A person, as `subject()` gives her. */
export interface HeldPerson {
  readonly kind: string;
  readonly id: string | number | bigint;
}

export interface Placed {
  readonly case: string;
  /** People, or rows, that this case did not hold before. */
  readonly placed: number;
}

export interface Released {
  readonly case: string;
  readonly people: number;
  readonly rows: number;
  /** What waited, and nothing holds any more: carried out by the jobs at once, or else by the next sweep. */
  readonly redriven: Redrive;
}

export interface Holds {
  /**
   * Opens a case; nothing is held by it yet.
   * @throws ConfigurationError BAD_HOLD, HOLD_OPEN
   * @example await holds.open({ name: 'case 2026-17', ground: 'GDPR Art. 17(3)(e): lawsuit', until: '2028-12-31' });
   */
  open(what: HoldCase): Promise<void>;
  /**
   * Holds a person with the rows of her graph, or single rows. From its return on they are neither erased nor deleted nor
   * changed, by whomever; what she needs to log in may be (columns declared as not personal that neither lead to her nor name the row).
   *
   * Of whoever was erased, what the law has kept in an archive can be held: it does not end, whatever its date, until the case is
   * released. It is named by `{ archivedOf }`, so that nobody takes her for somebody whose data were all held.
   *
   * @throws AlreadyErasedError, SubjectUnknownError, SubjectLockedError
   * @throws ConfigurationError HOLD_UNKNOWN, HOLD_LAPSED, HOLD_ROWS_GONE, HOLD_WITHOUT_KEY, HOLD_NOTHING_ARCHIVED
   * @example await holds.place('case 2026-17', subject('user', 42));
   * @example await holds.place('case 2026-17', { table: 'invoices', rows: [7, 8] });
   * @example await holds.place('case 2026-17', { archivedOf: { keyId: receipt.keyId } });
   */
  place(name: string, what: HeldPerson | HeldRows | HeldArchive): Promise<Placed>;
  /**
   * Releases a case and all that it holds. What waited for it is carried out, unless another case holds it too.
   * @throws ConfigurationError HOLD_UNKNOWN, HOLD_NO_BECAUSE
   */
  release(name: string, options: { because: string }): Promise<Released>;
  /** The cases that were not released, oldest first. */
  list(): Promise<StandingCase[]>;
}

const OPEN = `
insert into oubli.hold_case (name, ground, until) values ($1, $2, $3::date)
on conflict (name) where released_at is null do nothing returning id`;

const LIST = `
select c.name, c.ground, c.until::text as until, c.opened_at, exists (select from oubli.standing_case s where s.id = c.id) as holds,
  (select count(*) from oubli.held_person p where p.case_id = c.id)
    + (select count(*) from oubli.held_archive a where a.case_id = c.id) as people,
  (select count(*) from oubli.held_row r where r.case_id = c.id) as rows
from oubli.hold_case c where c.released_at is null order by c.opened_at, c.id`;

const FIND = `
select c.id, c.until is null or exists (select from oubli.standing_case s where s.id = c.id) as stands
from oubli.hold_case c where c.name = $1 and c.released_at is null`;

const HOLD_PERSON = `
insert into oubli.held_person (kind, subject_id, case_id) values ($1, $2, $3) on conflict do nothing returning 1 as placed`;

const RELEASE = `
with released as (update oubli.hold_case set released_at = oubli.now() where id = $1),
tables as (delete from oubli.held_table where holder = 'case ' || $1::text),
people as (delete from oubli.held_person where case_id = $1 returning 1),
archives as (delete from oubli.held_archive where case_id = $1 returning 1),
rows as (delete from oubli.held_row where case_id = $1 returning 1)
select (select count(*) from people) + (select count(*) from archives) as people, (select count(*) from rows) as rows`;

/** @param redrive carries out what waited, as far as this process can */
export function holdsOf(engine: () => Promise<Engine>, redrive: (what: Redrive) => Promise<void>): Holds {
  return {
    open: async (what) => openCase(await engine(), what),
    place: async (name, what) => placeHold(await engine(), name, what),
    release: async (name, options) => {
      const released = await releaseCase(await engine(), name, options?.because);
      await redrive(released.redriven);
      return released;
    },
    list: async () => {
      const { database } = await engine();
      return database.transaction(async (connection) => (await connection.query(LIST)).rows.map(caseFrom));
    },
  };
}

async function openCase(engine: Engine, { name, ground, until }: HoldCase): Promise<void> {
  if (isBlank(name)) throw new ConfigurationError('BAD_HOLD', { option: 'name' });
  if (isBlank(ground)) throw new ConfigurationError('BAD_HOLD', { option: 'ground' });
  if (until !== undefined && !isDate(until)) throw new ConfigurationError('BAD_HOLD', { option: 'until' });
  await engine.database.transaction(async (connection) => {
    const { rows } = await connection.query(OPEN, [name, ground, until ?? null]);
    if (rows.length === 0) throw new ConfigurationError('HOLD_OPEN', { case: name });
    const details = { case: name, ...(until === undefined ? {} : { until }) };
    await writeEntry(engine, connection, { act: 'hold opened', because: ground, details });
  });
}

async function placeHold(engine: Engine, name: string, what: HeldPerson | HeldRows | HeldArchive): Promise<Placed> {
  const stands = (connection: Queryable): Promise<number> => standingCase(connection, name);
  const id = await engine.database.transaction(stands);
  if ('archivedOf' in what)
    return { case: name, placed: await holdArchive(engine, { id, name }, what.archivedOf, stands) };
  if ('rows' in what) {
    const table = tableNamed(engine.catalogue, what.table, 'holds.place');
    return { case: name, placed: await holdRows(engine, { id, name }, table, what.rows, stands) };
  }
  return { case: name, placed: await holdPerson(engine, { id, name }, what) };
}

async function holdPerson(
  engine: Engine,
  { id, name }: { id: number; name: string },
  who: HeldPerson,
): Promise<number> {
  const { kind } = who;
  const own = await canonicalId(engine, kind, String(who.id));
  return underTriggers(engine, graphTables(engine.catalogue, kind), holderOf.case(id), (demand) =>
    aboutPerson(engine, kind, own, demand, async (connection, person) => {
      await standingCase(connection, name);
      const { rows } = await connection.query(HOLD_PERSON, [kind, person.name, id]);
      if (rows.length === 0) return 0;
      const details = { case: name, kind };
      await writeEntry(engine, connection, { act: 'hold placed', keyId: person.keyId, because: name, details });
      return 1;
    }),
  );
}

async function releaseCase(engine: Engine, name: string, because: string): Promise<Released> {
  if (isBlank(because)) throw new ConfigurationError('HOLD_NO_BECAUSE', { call: 'holds.release()' });
  const released = await engine.database.transaction(async (connection) => {
    const [found] = (await connection.query(`${FIND} for update of c`, [name])).rows;
    if (!found) throw await unknownCase(connection, name);
    const [counts] = (await connection.query(RELEASE, [found.id])).rows;
    const [people, rows] = [Number(counts?.people), Number(counts?.rows)];
    await writeEntry(engine, connection, { act: 'hold released', because, details: { case: name, people, rows } });
    return { people, rows };
  });
  await refreshTriggers(engine);
  return { case: name, ...released, redriven: await engine.database.transaction(deferredNow) };
}

/** Nobody releases it while something is placed. @throws ConfigurationError HOLD_UNKNOWN, HOLD_LAPSED */
async function standingCase(connection: Queryable, name: string): Promise<number> {
  const [found] = (await connection.query(`${FIND} for share of c`, [name])).rows;
  if (!found) throw await unknownCase(connection, name);
  if (!found.stands) throw new ConfigurationError('HOLD_LAPSED', { case: name });
  return Number(found.id);
}

async function unknownCase(connection: Queryable, name: string): Promise<ConfigurationError> {
  const names = (await connection.query(LIST)).rows.map((row) => String(row.name));
  return new ConfigurationError('HOLD_UNKNOWN', { given: String(name), suggestion: suggest(String(name), names) });
}

function caseFrom(row: Record<string, unknown>): StandingCase {
  const { name, ground, until, opened_at, holds, people, rows } = row;
  return {
    name: String(name),
    ground: String(ground),
    ...(until === null ? {} : { until: String(until) }),
    openedAt: opened_at as Date,
    holds: Boolean(holds),
    people: Number(people),
    rows: Number(rows),
  };
}

function isBlank(text: unknown): boolean {
  return typeof text !== 'string' || text.trim() === '';
}

/** PostgreSQL would take 'tomorrow' and '31.12.2028', too. */
function isDate(text: string): boolean {
  const day = new Date(`${text}T00:00:00Z`);
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
}
