/**
 * A person's request is written down before it is carried out (GDPR Art. 12(3); ERASURE.md L2): what fails afterwards leaves an open
 * request, and not nothing.
 */
import { JournalError, SubjectErasedError } from '../errors';
import type { Engine } from '../lifecycle/engine';
import type { Plan } from '../lifecycle/plan';
import { nameOf, rootType } from '../lifecycle/root';
import { quoteIdentifier as q } from '../queryable';
import { endsRequest } from '../registers/requests';

const IS_OPEN = `
select from oubli.ledger r where r.key_id = any(oubli.names_of($1)) and r.act = 'requested' and r.because = $2
  and not exists (select from oubli.ledger e where ${endsRequest('e')})`;

/**
 * Committed when it resolves. Nothing is written of somebody who is not there, or was erased before.
 * @throws JournalError JOURNAL_REPLACED; REQUEST_NOT_TOLD: it is committed, and only what may be done without an answer of the journal goes on
 */
export async function writeRequest(engine: Engine, plan: Plan, id: string, because: string): Promise<void> {
  const keyId = await keyOf(engine, plan, id);
  if (!keyId) return;
  const written = engine.database.transaction(async (connection) => {
    // asked again after a failure for the same reason, it is the same request
    if ((await connection.query(IS_OPEN, [keyId, because])).rows.length > 0) return 'before';
    const details = { kind: plan.kind, right: 'erasure' };
    await engine.ledger.record(connection, [{ act: 'requested', keyId, because, details }]);
    return 'now';
  });
  // what was written before may never have been told
  const told = written.then((when) => (when === 'before' ? engine.database.catchUp() : undefined));
  await told.catch((error: unknown) => {
    const isSilent = error instanceof JournalError && error.code !== 'JOURNAL_REPLACED';
    throw isSilent ? new JournalError('REQUEST_NOT_TOLD', { journal: error.journal }) : error;
  });
}

async function keyOf({ database, keys }: Engine, plan: Plan, id: string): Promise<Uint8Array | undefined> {
  const mine = `t.${q(plan.rootColumn)} = $1::${rootType(plan)}`;
  const sql = `select ${nameOf(plan, 't')} as name from ${plan.root.sqlName} t where ${mine}`;
  const [row] = (await database.snapshot((snapshot) => snapshot.query(sql, [id]))).rows;
  if (!row) return undefined;
  const name = String(row.name);
  try {
    return (await keys.idsOf(plan.kind as string, [name])).get(name);
  } catch (error) {
    if (error instanceof SubjectErasedError) return undefined;
    throw error;
  }
}
