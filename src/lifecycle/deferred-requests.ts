/**
 * Requests for an erasure that met a hold: written down with their reason, and carried out when nothing holds the person any
 * more; by the jobs at once where they run beside the release, else by the next sweep.
 */
import { ConfigurationError } from '../errors';
import type { Queryable } from '../queryable';
import { quoteIdentifier as q } from '../queryable';
import { applyPlan, type Choose } from './apply';
import { isLocked, isRace, isTooLong, mayBeOnes, retried } from './database';
import type { Engine } from './engine';
import { isHeldByTrigger } from './held-by-trigger';
import { type HoldEntry, writeEntry } from './hold-ledger';
import { aboutPerson } from './lock-person';
import { blockedBy, type Plan } from './plan';
import { nameOf, rootType } from './root';

/** Who is locked now is tried by the next sweep. */
const PATIENCE = '1s';
const TIME = '15min';

const DEFER = `
insert into oubli.deferred_request (kind, subject_id, because, held_by) values ($1, $2, $3, $4)
on conflict (kind, subject_id) do update set because = excluded.because, held_by = excluded.held_by`;

/** Her request is not lost: it is carried out when nothing holds her any more. */
export async function deferRequest(
  engine: Engine,
  plan: Plan,
  id: string,
  because: string,
  heldBy: string,
): Promise<void> {
  const kind = plan.kind as string;
  await aboutPerson(engine, kind, id, unhurried, async (connection, { name, keyId }) => {
    await connection.query(DEFER, [kind, name, because, heldBy]);
    await writeEntry(engine, connection, { act: 'erasure deferred', keyId, because, details: { kind, heldBy } });
  });
}

const WAITS = 'select 1 from oubli.deferred_request where kind = $1 and subject_id = $2';
const WITHDRAW = `
delete from oubli.deferred_request d where d.kind = $1 and d.subject_id = $2
returning (select l.key_id from oubli.subject_link l where l.kind = $1 and l.subject_id = $2) as key_id`;

/** Whether she asked to be erased, and it was not carried out yet. */
export async function requestWaits(connection: Queryable, kind: string, id: string): Promise<boolean> {
  return (await connection.query(WAITS, [kind, id])).rows.length > 0;
}

/** What the ledger is to say, at the end of the transaction. */
export type Withdrawal = HoldEntry;

/** @returns nothing where no request waits @throws ConfigurationError NO_BECAUSE */
export async function withdrawRequest(
  connection: Queryable,
  kind: string,
  id: string,
  because: string,
): Promise<Withdrawal | undefined> {
  if (because.trim() === '') throw new ConfigurationError('NO_BECAUSE');
  const [request] = (await connection.query(WITHDRAW, [kind, id])).rows;
  if (!request) return undefined;
  return { act: 'erasure withdrawn', keyId: request.key_id as Uint8Array, because, details: { kind } };
}

/** Nothing has to stand before. */
const unhurried = async (): Promise<void> => undefined;

const NEXT = `
select subject_id, because from oubli.deferred_request
where kind = $1 and subject_id <> all($2::text[]) and not oubli.is_held(kind, subject_id)
order by deferred_at limit 1 for update skip locked`;

export interface CarriedOut {
  readonly done: number;
  /** Why one of them could not be: it waits, and the others go on. */
  readonly failure: unknown;
}

/** Carries out the requests about people of the plan's kind that nothing holds any more. */
export async function carryOutDeferred(engine: Engine, plan: Plan): Promise<CarriedOut> {
  if (plan.kind === undefined) return { done: 0, failure: undefined };
  const tried: string[] = [];
  let done = 0;
  let failure: unknown;
  for (;;) {
    const errand = { act: 'erased', because: '', patience: PATIENCE, time: TIME };
    let asked: { subject_id: string; because: string } | undefined;
    const choose: Choose = async (connection) => {
      [asked] = (await connection.query(NEXT, [plan.kind, tried])).rows as { subject_id: string; because: string }[];
      if (!asked) return [];
      errand.because = asked.because;
      return lockOne(plan, connection, asked.subject_id);
    };
    try {
      done += (await retried(() => applyPlan(engine, plan, choose, errand))).entries.length;
    } catch (error) {
      if (!isLocked(error) && !isTooLong(error) && !mayBeOnes(error) && !isRace(error)) throw error;
      if (!isLocked(error) && !isHeldByTrigger(error)) failure ??= blockedBy(error, plan);
    }
    if (!asked) return { done, failure };
    tried.push(asked.subject_id);
  }
}

/** Nothing of hers is locked for longer than it takes to see that she is held. */
async function lockOne(plan: Plan, connection: Queryable, id: string): Promise<string[]> {
  const sql = `select ${nameOf(plan, 't')} as name from ${plan.root.sqlName} t
where t.${q(plan.rootColumn)} = $1::${rootType(plan)} for update skip locked`;
  return (await connection.query(sql, [id])).rows.map((row) => String(row.name));
}
