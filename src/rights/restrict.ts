/**
 * The right to restriction (GDPR Art. 18): her data is stored and otherwise left alone, until what is disputed is settled. The
 * key stays, and is handed to nobody but her own export and the life cycle; triggers refuse what would be written about her.
 */
import { suggest } from '../catalogue/suggest';
import { ConfigurationError } from '../errors';
import { SHREDDED_CHANNEL } from '../keyring/key-connection';
import { canonicalId } from '../lifecycle/canonical-id';
import { deferredNow, type Redrive } from '../lifecycle/deferred';
import type { Engine } from '../lifecycle/engine';
import { holderOf, refreshTriggers, underTriggers } from '../lifecycle/held-tables';
import { graphTables } from '../lifecycle/hold-graph';
import { writeEntry } from '../lifecycle/hold-ledger';
import { aboutPerson } from '../lifecycle/lock-person';
import type { Queryable } from '../queryable';

/**
 * Art. 18(1): (a) she contests the accuracy, (b) the processing is unlawful and she opposes the erasure, (c) she needs the data for
 * legal claims, (d) she objected and nobody has decided yet. Under (b) and (c) nothing of hers is erased meanwhile.
 */
export type Ground = 'accuracy' | 'unlawful' | 'claims' | 'objection';

export interface RestrictOptions {
  /** What an auditor will read. */
  readonly because: string;
  /** `accuracy` unless said otherwise. */
  readonly ground?: Ground;
}

export interface LiftOptions {
  readonly because: string;
  /** Tells her that it will be lifted; nothing is when this fails. */
  readonly inform: () => unknown;
}

const GROUNDS: readonly Ground[] = ['accuracy', 'unlawful', 'claims', 'objection'];

const RESTRICT = `
insert into oubli.restriction (kind, subject_id, key_id, ground, because) values ($1, $2, $3, $4, $5)
on conflict do nothing returning key_id`;

const LIFT = 'delete from oubli.restriction where kind = $1 and subject_id = $2 returning ground';

export async function restrictPerson(
  engine: Engine,
  kind: string,
  id: string,
  options: RestrictOptions,
): Promise<void> {
  const { because, ground = 'accuracy' } = options ?? {};
  refuseBlank(because, 'restrict');
  if (!GROUNDS.includes(ground)) {
    throw new ConfigurationError('BAD_GROUND', { given: String(ground), suggestion: suggest(String(ground), GROUNDS) });
  }
  const own = await canonicalId(engine, kind, id);
  const tables = graphTables(engine.catalogue, kind);
  const restricted = await underTriggers(engine, tables, holderOf.restriction(kind), (demand) =>
    aboutPerson(engine, kind, own, demand, async (connection, { name, keyId }) => {
      const { rows } = await connection.query(RESTRICT, [kind, name, keyId, ground, because]);
      if (rows.length === 0) throw new ConfigurationError('RESTRICTED_ALREADY', { kind });
      await forgetEverywhere(connection, keyId);
      await writeEntry(engine, connection, { act: 'restricted', keyId, because, details: { kind, ground } });
      return keyId;
    }),
  );
  engine.keys.cache.evict(Buffer.from(restricted).toString('hex'));
}

export async function liftRestriction(
  engine: Engine,
  kind: string,
  id: string,
  options: LiftOptions,
): Promise<Redrive> {
  const { because, inform } = options ?? {};
  refuseBlank(because, 'liftRestriction');
  if (typeof inform !== 'function') throw new ConfigurationError('NOT_INFORMED');
  const own = await canonicalId(engine, kind, id);
  await refuseUnrestricted(engine, kind, own);
  await inform();
  await aboutPerson(engine, kind, own, nothingFirst, async (connection, { name, keyId }) => {
    const [lifted] = (await connection.query(LIFT, [kind, name])).rows;
    if (!lifted) throw new ConfigurationError('NOT_RESTRICTED', { kind }); // by somebody else, meanwhile
    const details = { kind, ground: lifted.ground };
    await writeEntry(engine, connection, { act: 'restriction lifted', keyId, because, details });
  });
  await refreshTriggers(engine);
  return engine.database.transaction(deferredNow);
}

/** Nobody is told what is not so. */
async function refuseUnrestricted({ database }: Engine, kind: string, id: string): Promise<void> {
  await database.transaction(async (connection) => {
    const { rows } = await connection.query('select oubli.is_restricted($1, $2) as so', [kind, id]);
    if (!rows[0]?.so) throw new ConfigurationError('NOT_RESTRICTED', { kind });
  });
}

const nothingFirst = async (): Promise<void> => undefined;

/** With one that it is about to replace. */
const FORGET = `
select pg_notify($1, encode(k.key_id, 'hex')) from oubli.subject_key k where k.key_id = $2 or k.successor = $2`;

/** Every process drops the key from its cache when this commits, and finds the restriction when it asks for it again. */
async function forgetEverywhere(connection: Queryable, keyId: Uint8Array): Promise<void> {
  await connection.query(FORGET, [SHREDDED_CHANNEL, keyId]);
}

function refuseBlank(because: unknown, call: string): void {
  if (typeof because === 'string' && because.trim() !== '') return;
  throw new ConfigurationError('HOLD_NO_BECAUSE', { call: `subject(kind, id).${call}()` });
}
