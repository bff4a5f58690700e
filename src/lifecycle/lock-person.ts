/**
 * A person's rows, locked for as long as the transaction lasts: whoever holds or restricts her and whoever writes or erases wait
 * for one another. Her own row first, as an erasure has it.
 */
import { joinChain } from '../catalogue/path-sql';
import { suggest } from '../catalogue/suggest';
import {
  AlreadyErasedError,
  ConfigurationError,
  KeyUnavailableError,
  SubjectErasedError,
  SubjectLockedError,
  SubjectUnknownError,
} from '../errors';
import type { Queryable } from '../queryable';
import { quoteIdentifier as q } from '../queryable';
import { isLocked, isRace, retried } from './database';
import type { Engine } from './engine';
import { type Plan, planErasure } from './plan';
import { nameOf, rootType } from './root';
import { wasErased } from './was-erased';

export interface LockedPerson {
  /** Her name as the database writes it. */
  readonly name: string;
  readonly keyId: Uint8Array;
}

const ATTEMPTS = 5;
/** Hers, or the one that replaced it since she was asked for. */
const KEY = `
select k.key_id from oubli.subject_key k
where k.key_id = coalesce((select s.successor from oubli.subject_key s where s.key_id = $1), $1) and k.successor is null for share`;

/** @throws AlreadyErasedError, SubjectUnknownError; KeyUnavailableError KEY_CONTENTION */
export async function lockPerson(engine: Engine, plan: Plan, connection: Queryable, id: string): Promise<LockedPerson> {
  const kind = plan.kind as string;
  const names = { kind, table: plan.root.name, column: plan.rootColumn };
  const mine = `t.${q(plan.rootColumn)} = $1::${rootType(plan)}`;
  const own = `select ${nameOf(plan, 't')} as name from ${plan.root.sqlName} t where ${mine} for update`;
  const [row] = (await connection.query(own, [id])).rows;
  const name = row ? String(row.name) : id;
  // a new statement: what committed while the lock was waited for is seen
  if (await wasErased(engine.keys, connection, kind, name)) throw new AlreadyErasedError('ALREADY_ERASED', names);
  if (!row) throw new SubjectUnknownError('SUBJECT_UNKNOWN', names);
  const keyId = await lockKey(engine, connection, kind, name);
  if (!keyId) throw new AlreadyErasedError('ALREADY_ERASED', names);
  await lockRows(engine, plan, connection, id);
  return { name, keyId };
}

/**
 * A statement that waits for whoever replaces her key sees the old one, and not the new one that was committed by then: the next sees both.
 * Whoever goes on replacing it is lost to as any race is.
 *
 * @returns undefined where she was erased meanwhile
 */
async function lockKey(
  engine: Engine,
  connection: Queryable,
  kind: string,
  name: string,
): Promise<Uint8Array | undefined> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const [key] = (await connection.query(KEY, [await keyOf(engine, kind, name)])).rows;
    if (key) return key.key_id as Uint8Array;
    if (await wasErased(engine.keys, connection, kind, name)) return undefined;
  }
  throw new KeyUnavailableError('KEY_CONTENTION', { kind });
}

/** What `work` does about a person after `first`, again where a race was lost. @throws SubjectLockedError */
export async function aboutPerson<T>(
  engine: Engine,
  kind: string,
  id: string,
  first: (connection: Queryable) => Promise<void>,
  work: (connection: Queryable, person: LockedPerson) => Promise<T>,
): Promise<T> {
  const subjects = engine.catalogue.subjectTable(kind);
  if (!subjects) throw unknownKind(kind, engine.catalogue.subjectKinds);
  const plan = planErasure(engine.catalogue, subjects);
  try {
    return await retried(() =>
      engine.database.transaction(async (connection) => {
        await connection.query(`select set_config('lock_timeout', '5s', true)`);
        await first(connection);
        return work(connection, await lockPerson(engine, plan, connection, id));
      }),
    );
  } catch (error) {
    if (isLocked(error) || isRace(error)) throw new SubjectLockedError('SUBJECT_LOCKED', { kind });
    throw error;
  }
}

function unknownKind(given: string, kinds: readonly string[]): ConfigurationError {
  return new ConfigurationError('UNKNOWN_KIND', { given, suggestion: suggest(given, kinds) ?? kinds[0] });
}

async function keyOf(engine: Engine, kind: string, name: string): Promise<Uint8Array> {
  try {
    return (await engine.keys.idsOf(kind, [name])).get(name) as Uint8Array;
  } catch (error) {
    throw error instanceof SubjectErasedError ? new AlreadyErasedError('ALREADY_ERASED', { kind }) : error;
  }
}

async function lockRows({ catalogue }: Engine, plan: Plan, connection: Queryable, id: string): Promise<void> {
  for (const step of plan.steps.slice(1)) {
    if (step.action === 'detach') continue;
    for (const way of step.ways) {
      const { tables, conditions, root } = joinChain(catalogue, 't', way, plan.rootColumn);
      const where = [...conditions, `${root} = $1::${rootType(plan)}`].join(' and ');
      const from = [`${step.table.sqlName} t`, ...tables].join(', ');
      await connection.query(`select count(*) from (select from ${from} where ${where} for update of t) locked`, [id]);
    }
  }
}
