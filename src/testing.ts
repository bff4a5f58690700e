/**
 * The test author's door. Time is the database's, so it is the database's clock that is moved; and what was erased is looked
 * for where it must not be.
 */
import type { Knex } from 'knex';
import { listenForRawQueries, type RawLint } from './checks/raw-lint';
import { type InterruptibleKeys, keysInMemory, makeInterruptible } from './keyring/interruptible-keys';
import type { EpochProvider } from './keyring/provider';
import { type Period, toInterval } from './period';

export type { RawFinding, RawLint } from './checks/raw-lint';
export type { InterruptibleKeys, KeyCall } from './keyring/interruptible-keys';

/**
 * Listens to a protected instance, and finds statements that order, group, deduplicate or unite by ciphertext: what the builder
 * refuses by name, and nobody sees in raw SQL. Needs PostgreSQL 16 or newer.
 *
 * @param db as `oubli()` returned it
 * @example
 * const lint = lintRawQueries(db);
 * after(async () => expect(await lint.findings()).to.deep.equal([]));
 */
export function lintRawQueries(db: Knex): RawLint {
  return listenForRawQueries(db);
}

/**
 * A key provider that can be taken down and brought back, and records what it was asked: for tests of what the application does
 * while its keys are not to be had.
 *
 * @param over the provider that is asked while it is up; without one, fresh keys in memory
 * @example
 * const keys = interruptibleKeys();
 * const { db, subject } = await oubli(knex, { keys });
 * keys.goDown();
 * await subject('user', 42).erase({ because: 'request of 3 March' }); // asks it for nothing
 * keys.comeBack();
 */
export function interruptibleKeys(over: EpochProvider = keysInMemory()): InterruptibleKeys {
  return makeInterruptible(over);
}

/**
 * Moves oubli's clock in this database, relative to the real one, for every process that uses it. Needs the owner of the
 * schema `oubli`.
 *
 * @example await moveClock(knex, '6 months');
 */
export async function moveClock(knex: Knex, by: Period): Promise<void> {
  await replaceClock(knex, `pg_catalog.now() + interval '${toInterval(by)}'`);
}

/**
 * Stops oubli's clock in this database at a moment, so that the day before and the day itself can be told apart.
 *
 * @param moment with its offset, as ISO 8601 has it
 * @example await stopClock(knex, '2027-02-28T00:00:00+01:00');
 */
export async function stopClock(knex: Knex, moment: string): Promise<void> {
  const { rows } = await knex.raw("select format('timestamptz %L', ?::timestamptz) as moment", [moment]);
  await replaceClock(knex, rows[0].moment);
}

/** Puts the clock back to the real time. */
export async function resetClock(knex: Knex): Promise<void> {
  await replaceClock(knex, 'pg_catalog.now()');
}

async function replaceClock(knex: Knex, expression: string): Promise<void> {
  await knex.raw(`create or replace function oubli.now() returns timestamptz language sql stable return ${expression}`);
}

/** Where something was found that should be gone. */
export interface Residue {
  readonly table: string;
  readonly column: string;
  readonly rows: number;
}

/**
 * Looks for texts in every column of every table of the application, whatever its type, as PostgreSQL prints it.
 *
 * @param needles what an erased person was known by: her name, her e-mail address
 */
export async function findResidue(knex: Knex, needles: readonly string[]): Promise<Residue[]> {
  const { rows } = await knex.raw(`select c.oid::regclass::text as table, a.attname as column
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relkind in ('r', 'p', 'm') and n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%'`);
  const found: Residue[] = [];
  for (const { table, column } of rows as { table: string; column: string }[]) {
    const quoted = `"${column.replaceAll('"', '""')}"`;
    const holds = needles.map(
      () => `position(lower(?) in lower(format('%s', ${quoted}))) > 0
      or position(encode(convert_to(?, 'UTF8'), 'hex') in format('%s', ${quoted})) > 0`,
    );
    const counted = await knex.raw(
      `select count(*) as n from ${table} where ${holds.join(' or ')}`,
      needles.flatMap((each) => [each, each]),
    );
    const count = Number(counted.rows[0].n);
    if (count > 0) found.push({ table, column, rows: count });
  }
  return found;
}

/** @throws Error naming table and column, never the text that was found */
export async function assertNothingLeft(knex: Knex, needles: readonly string[]): Promise<void> {
  const found = await findResidue(knex, needles);
  if (found.length === 0) return;
  throw new Error(`left: ${found.map(({ table, column, rows }) => `${rows} rows in ${table}.${column}`).join(', ')}`);
}
