/** The right to erasure (GDPR Art. 17): one person, now, by the same engine that runs retention (CNIL sheet 14). */
import { AlreadyErasedError, ConfigurationError, HoldError, SubjectLockedError, SubjectUnknownError } from '../errors';
import { applyPlan, type Choose } from '../lifecycle/apply';
import { canonicalId } from '../lifecycle/canonical-id';
import { isLocked, isRace, retried } from '../lifecycle/database';
import { deferRequest } from '../lifecycle/deferred-requests';
import type { Engine } from '../lifecycle/engine';
import type { Probe } from '../lifecycle/examination';
import { caseOfTrigger } from '../lifecycle/held-by-trigger';
import { blockedBy, type Plan } from '../lifecycle/plan';
import { nameOf, rootType } from '../lifecycle/root';
import { wasErased } from '../lifecycle/was-erased';
import { quoteIdentifier as q } from '../queryable';
import { type Receipt, receiptFrom } from '../registers/receipt';
import { writeRequest } from './request';

/** Somebody asked and waits for the answer. */
const PATIENCE = '5s';
/** One person with very many rows leaves in one transaction, or not at all. */
const TIME = '15min';

/** How she is looked for in every text and JSON column before she is erased (ERASURE.md L5). */
export interface ProbeOptions {
  /** What a hit outside of the plan does: `'refuse'` unless said; `'report'` erases her, and says in the receipt where she still is. */
  readonly hits?: 'refuse' | 'report';
  /** How long it may take: 5 unless said. What was not looked through then stands in the receipt. */
  readonly seconds?: number;
}

const PROBE_SECONDS = 5;

function probeOf(options: ProbeOptions | 'off' = {}): Probe | undefined {
  if (options === 'off') return undefined;
  return { hits: options.hits ?? 'refuse', milliseconds: 1000 * (options.seconds ?? PROBE_SECONDS) };
}

/**
 * @param because what an auditor will read: whose request, how she was identified
 * The request is in the ledger before anything is destroyed; where the erasure fails it stays open, and is listed.
 *
 * @throws AlreadyErasedError, SubjectUnknownError, SubjectLockedError, PlanBlockedError, HoldError: nothing was touched
 */
export async function erasePerson(
  engine: Engine,
  plan: Plan,
  named: string,
  because: string,
  probing?: ProbeOptions | 'off',
): Promise<Receipt> {
  if (typeof because !== 'string' || because.trim() === '') throw new ConfigurationError('NO_BECAUSE');
  const kind = plan.kind as string;
  const id = await canonicalId(engine, kind, named);
  const names = { kind, table: plan.root.name, column: plan.rootColumn };
  await writeRequest(engine, plan, id, because);
  let heldBy: string | undefined;
  try {
    const errand = { act: 'erased', because, patience: PATIENCE, time: TIME, probe: probeOf(probing) };
    const { entries, held } = await retried(() => applyPlan(engine, plan, chooseOne(plan, id), errand));
    if (entries[0]) return receiptFrom(entries[0]);
    [heldBy] = held.values();
  } catch (error) {
    heldBy = caseOfTrigger(error);
    const refusal = blockedBy(error, plan);
    if (refusal !== error) throw refusal;
    if (isLocked(error) || isRace(error)) throw new SubjectLockedError('SUBJECT_LOCKED', names);
    if (heldBy === undefined) throw error;
  }
  if (heldBy !== undefined) {
    await deferRequest(engine, plan, id, because, heldBy);
    throw new HoldError('HELD', { kind, case: heldBy });
  }
  const erased = await engine.database.snapshot((snapshot) => wasErased(engine.keys, snapshot, kind, id));
  if (erased) throw new AlreadyErasedError('ALREADY_ERASED', names);
  throw new SubjectUnknownError('SUBJECT_UNKNOWN', names);
}

function chooseOne(plan: Plan, id: string): Choose {
  const mine = `t.${q(plan.rootColumn)} = $1::${rootType(plan)}`;
  const sql = `select ${nameOf(plan, 't')} as name from ${plan.root.sqlName} t where ${mine} for update`;
  return async (connection) => (await connection.query(sql, [id])).rows.map((row) => String(row.name));
}
