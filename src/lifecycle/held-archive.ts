/**
 * What was archived of somebody, held for a case (ERASURE.md H1): her row may have left long ago, so nothing of hers is locked, and
 * no trigger stands in anybody's way. Whoever ends archives asks who is held, in the transaction that ends them.
 */
import { ConfigurationError, SubjectLockedError } from '../errors';
import type { Queryable } from '../queryable';
import { isLocked } from './database';
import type { Engine } from './engine';
import { writeEntry } from './hold-ledger';

/** Whose: by kind and id, as she was known, or by the key id that stands on the receipt of her erasure. */
export interface HeldArchive {
  readonly archivedOf: { readonly kind: string; readonly id: string | number | bigint } | { readonly keyId: string };
}

/** Whoever is ending an archive at this moment commits first; whoever comes later sees it. */
const BEFORE_ALL = `select set_config('lock_timeout', '5s', true)`;
const LOCK = 'lock table oubli.held_archive in row exclusive mode';

const HOLD = `
with hers as (
  select k.subject, (array_agg(l.key_id order by l.entry desc) filter (where l.key_id is not null))[1] as key_id from oubli.archive_key k left join oubli.ledger l on l.entry = k.entry
  where k.subject = $1 or k.subject is not null and k.entry in (select e.entry from oubli.ledger e where e.key_id = $2)
  group by k.subject),
placed as (
  insert into oubli.held_archive (subject, case_id) select subject, $3 from hers on conflict do nothing returning subject)
select h.key_id, p.subject is not null as placed from hers h left join placed p using (subject)`;

/**
 * @returns how many people's archives the case did not hold before
 * @throws ConfigurationError HOLD_NOTHING_ARCHIVED, BAD_HOLD
 */
export async function holdArchive(
  engine: Engine,
  { id, name }: { readonly id: number; readonly name: string },
  whose: HeldArchive['archivedOf'],
  stands: (connection: Queryable) => Promise<unknown>,
): Promise<number> {
  const names = namesOf(engine, whose);
  try {
    return await engine.database.transaction(async (connection) => {
      await connection.query(BEFORE_ALL);
      await connection.query(LOCK);
      await stands(connection);
      const { rows } = await connection.query(HOLD, [...names, id]);
      if (rows.length === 0) throw new ConfigurationError('HOLD_NOTHING_ARCHIVED', { case: name });
      const placed = rows.filter((row) => row.placed);
      for (const { key_id } of placed) {
        const details = { case: name, archived: true };
        const keyId = (key_id as Uint8Array | null) ?? undefined;
        await writeEntry(engine, connection, { act: 'hold placed', keyId, because: name, details });
      }
      return placed.length;
    });
  } catch (error) {
    if (isLocked(error)) throw new SubjectLockedError('HOLD_BUSY', { table: 'oubli.held_archive' });
    throw error;
  }
}

/** Her reference and her key id, of which one is known. */
function namesOf({ keys }: Engine, whose: HeldArchive['archivedOf']): [Uint8Array | null, Uint8Array | null] {
  if (!('keyId' in whose)) return [keys.referenceOf(whose.kind, String(whose.id)), null];
  if (!/^[0-9a-f]{32}$/i.test(whose.keyId)) throw new ConfigurationError('BAD_HOLD', { option: 'keyId' });
  return [null, Buffer.from(whose.keyId, 'hex')];
}
