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

/** $2 kind, $3 why: asked again after a failure for the same reason, it is the same request. */
const ASKED = `
select n.name, exists (
  select from oubli.ledger r where r.key_id = any(oubli.names_of(l.key_id)) and r.act = 'requested' and r.because = $3
    and not exists (select from oubli.ledger e where ${endsRequest('e')})) as open
from named n left join oubli.subject_link l on l.kind = $2 and l.subject_id = n.name and l.erased_at is null
  and not exists (select from oubli.fence f where f.key_id = l.key_id)`;

/**
 * Committed when it resolves. Nothing is written of somebody who is not there, or was erased before.
 * @throws JournalError JOURNAL_REPLACED; REQUEST_NOT_TOLD: it is committed, and only what may be done without an answer of the journal goes on
 */
export async function writeRequest(engine: Engine, plan: Plan, id: string, because: string): Promise<void> {
  const written = engine.database.transaction(async (connection) => {
    const [asked] = (await connection.query(statement(plan), [id, plan.kind, because])).rows;
    if (!asked) return 'never';
    const keyId = await keyOf(engine, plan, String(asked.name));
    if (!keyId) return 'never';
    if (asked.open) return 'before';
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

function statement(plan: Plan): string {
  const mine = `t.${q(plan.rootColumn)} = $1::${rootType(plan)}`;
  return `with named as (select ${nameOf(plan, 't')} as name from ${plan.root.sqlName} t where ${mine})${ASKED}`;
}

/**
 * The ledger has no other name for her. Keys are made on a connection of their own, so that it may come while this transaction is open; and
 * there it is seen first whether the database was restored (ERASURE.md S1).
 */
async function keyOf({ keys }: Engine, plan: Plan, name: string): Promise<Uint8Array | undefined> {
  try {
    return (await keys.idsOf(plan.kind as string, [name])).get(name);
  } catch (error) {
    if (error instanceof SubjectErasedError) return undefined;
    throw error;
  }
}
