/**
 * A returning person (ENVELOPE.md K4): somebody decides, and says why, that data of her may be written again who was erased. What was
 * erased stays so: her old key id and its fingerprint are refused for ever. She gets one new key, and nobody else does.
 *
 * The key is committed here, before anything can be sealed under it (K3), and so never in a caller's transaction.
 */
import { ConfigurationError, SubjectLockedError } from '../errors';
import type { NewKey } from '../keyring/key-statements';
import { type Queryable, quoteIdentifier as q } from '../queryable';
import { canonicalId } from './canonical-id';
import { isLocked, isRace, retried } from './database';
import type { Engine } from './engine';
import { undated } from './person-events';
import type { Plan } from './plan';
import { nameOf, rootType } from './root';
import { type Rule, rulesOf } from './rule';

/** What the ledger calls it; PostgreSQL looks for an entry of this name before a mark of an erasure is taken off. */
const ALLOWED = 'new lifecycle allowed';
const PATIENCE = { lock_timeout: '5s' };

/**
 * Of two who allow at once the second finds her back. Where her row stayed its mark goes, and the key of what the law keeps of her stays
 * with it; where it left she gets a link anew, beside the fence.
 */
const LET_IN = `
with back as (
  update oubli.subject_link set key_id = $4, erased_at = null
  where kind = $1 and subject_id = $2 and erased_at is not null returning key_id),
begun as (
  insert into oubli.subject_link (kind, subject_id, key_id)
  select $1, $2, $4 where exists (select from oubli.fence f where f.subject_reference = $3)
    and not exists (select from oubli.subject_link l where l.kind = $1 and l.subject_id = $2)
  on conflict do nothing returning key_id)
insert into oubli.subject_key (key_id, epoch, born, wrapped, fingerprint)
select w.key_id, $7::integer, $7::integer, $5::bytea, $6::bytea from (select key_id from back union all select key_id from begun) w
returning key_id`;

/**
 * @param plan of the erasure of her kind
 * @param named her id, as an application spells it
 * @returns the new key's id, hex
 * @throws ConfigurationError NO_BECAUSE, NOT_ERASED; SubjectLockedError where somebody holds her row for more than 5 seconds;
 *   KeyUnavailableError
 */
export async function letIn(engine: Engine, plan: Plan, named: string, because: string): Promise<string> {
  if (typeof because !== 'string' || because.trim() === '')
    throw new ConfigurationError('NO_BECAUSE', { call: 'allowNewLifecycle()' });
  const kind = plan.kind as string;
  const id = await canonicalId(engine, kind, named);
  try {
    return await retried(() =>
      engine.keys.freshFor((key) =>
        engine.database.transaction(
          (connection) => new Return(engine, plan, connection).of(id, key, because),
          PATIENCE,
        ),
      ),
    );
  } catch (error) {
    if (isLocked(error) || isRace(error)) throw new SubjectLockedError('SUBJECT_LOCKED', { kind });
    throw error;
  }
}

class Return {
  private readonly kind: string;

  constructor(
    private readonly engine: Engine,
    private readonly plan: Plan,
    private readonly connection: Queryable,
  ) {
    this.kind = plan.kind as string;
  }

  async of(id: string, key: NewKey, because: string): Promise<string> {
    const { kind, plan } = this;
    const row = await this.lockedRow(id);
    const name = row ?? id;
    const reference = this.engine.keys.referenceOf(kind, name);
    const { keyId, wrapped, print, epoch } = key;
    const asked = [kind, name, reference, keyId, wrapped, print, epoch];
    if ((await this.connection.query(LET_IN, asked)).rows.length === 0)
      throw new ConfigurationError('NOT_ERASED', { kind, table: plan.root.name });
    if (row !== undefined) await this.stopClock(row);
    await this.engine.ledger.record(this.connection, [{ act: ALLOWED, keyId, because, details: { kind } }]);
    return Buffer.from(keyId).toString('hex');
  }

  /** Where an erasure of hers is under way it is waited for: it has her row first, as here. */
  private async lockedRow(id: string): Promise<string | undefined> {
    const { plan } = this;
    const mine = `t.${q(plan.rootColumn)} = $1::${rootType(plan)}`;
    const sql = `select ${nameOf(plan, 't')} as name from ${plan.root.sqlName} t where ${mine} for update`;
    const [row] = (await this.connection.query(sql, [id])).rows;
    return row && String(row.name);
  }

  /** The end of the life before would be the end of this one, with the next sweep. */
  private async stopClock(name: string): Promise<void> {
    const rule = rulesOf(this.engine.catalogue).find(({ kind }) => kind === this.kind);
    if (!rule || !startsFromNullable(rule)) return;
    const { sql, parameters } = undated(rule, name);
    await this.connection.query(sql, parameters);
  }
}

/** A date that may be missing is that of an event; one that may not is a fact about the row, and the team's to correct. */
function startsFromNullable({ table, retention: { from } }: Rule): boolean {
  return typeof from === 'string' && table.columns.get(from)?.notNull === false;
}
