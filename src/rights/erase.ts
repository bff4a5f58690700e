/** The right to erasure (GDPR Art. 17): one person, now, by the same engine that runs retention (CNIL sheet 14). */
import {
  AlreadyErasedError,
  ConfigurationError,
  SubjectErasedError,
  SubjectLockedError,
  SubjectUnknownError,
} from '../errors';
import { applyPlan, type Choose, type Engine } from '../lifecycle/apply';
import { isRetryable } from '../lifecycle/database';
import { rootType } from '../lifecycle/erasure-statement';
import type { Plan } from '../lifecycle/plan';
import { quoteIdentifier as q } from '../queryable';
import { type Receipt, receiptFrom } from '../registers/receipt';

/**
 * @param because what an auditor will read: whose request, how she was identified
 * @throws AlreadyErasedError, SubjectUnknownError, SubjectLockedError, PlanBlockedError: nothing was touched
 */
export async function erasePerson(engine: Engine, plan: Plan, id: string, because: string): Promise<Receipt> {
  if (typeof because !== 'string' || because.trim() === '') throw new ConfigurationError('NO_BECAUSE');
  const kind = plan.kind as string;
  const names = { kind, table: plan.root.name, column: plan.rootColumn };
  try {
    const [entry] = await applyPlan(engine, plan, chooseOne(plan, id), { act: 'erased', because });
    if (entry) return receiptFrom(entry);
  } catch (error) {
    if (error instanceof SubjectErasedError) throw new AlreadyErasedError('ALREADY_ERASED', names);
    if (isRetryable(error)) throw new SubjectLockedError('SUBJECT_LOCKED', names);
    throw error;
  }
  if (await wasErased(engine, kind, id)) throw new AlreadyErasedError('ALREADY_ERASED', names);
  throw new SubjectUnknownError('SUBJECT_UNKNOWN', names);
}

function chooseOne(plan: Plan, id: string): Choose {
  const column = q(plan.rootColumn);
  const sql = `select ${column}::text as id from ${plan.root.sqlName} where ${column} = $1::${rootType(plan)} for update`;
  return async (connection) => (await connection.query(sql, [id])).rows.map((row) => String(row.id));
}

async function wasErased(engine: Engine, kind: string, id: string): Promise<boolean> {
  return engine.database.transaction(async (connection) => {
    const { rows } = await connection.query('select 1 from oubli.fence where subject_reference = $1', [
      engine.keys.referenceOf(kind, id),
    ]);
    return rows.length > 0;
  });
}
