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
import { wasErased } from './was-erased';

/** What the ledger calls it; PostgreSQL looks for an entry of this name before a mark of an erasure is taken off. */
const ALLOWED = 'new lifecycle allowed';
const PATIENCE = { lock_timeout: '5s' };

const SAY = `
insert into oubli.ledger (act, key_id, because, details)
values ('${ALLOWED}', $1, $2, $3::jsonb) returning entry`;
const LET_IN = 'select oubli.let_in($1, $2, $3, $4, $5, $6, $7) as is_back';

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
    const { kind, connection } = this;
    const { keys, ledger } = this.engine;
    const row = await this.lockedRow(id);
    const name = row ?? id;
    if (!(await wasErased(keys, connection, kind, name))) throw this.notErased();
    const { keyId, wrapped, print, epoch } = key;
    const [said] = (await connection.query(SAY, [keyId, because, JSON.stringify({ kind })])).rows;
    const asked = [kind, name, keys.referenceOf(kind, name), keyId, wrapped, print, epoch];
    const [back] = (await connection.query(LET_IN, asked)).rows;
    if (back?.is_back !== true) throw this.notErased(); // by somebody else, meanwhile
    if (row !== undefined) await this.stopClock(row);
    await ledger.chain(connection, [said?.entry]);
    return Buffer.from(keyId).toString('hex');
  }

  private notErased(): ConfigurationError {
    return new ConfigurationError('NOT_ERASED', { kind: this.kind, table: this.plan.root.name });
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
