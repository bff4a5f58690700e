/** What became of the keys that the journal names, in a restored database, and their destruction where only they are left. */
import type { Queryable, Row } from '../queryable';
import type { Engine } from './engine';
import { heldAmong } from './held';
import { planErasure } from './plan';

/** Somebody as the journal names her. */
export interface Named {
  readonly keyId: Uint8Array;
  /** Hex: the reference by which she is found where her key is not known. */
  readonly subject?: string | undefined;
  /** Whether she may be there without her key being known. */
  readonly isSought?: boolean;
}

/** Whose key it is: nobody's where it was made for what is kept or archived. */
export interface Living {
  readonly keyId: Uint8Array;
  readonly kind: string | undefined;
  readonly id: string | undefined;
}

export interface States {
  readonly living: readonly Living[];
  /** Those whom this database never knew: neither the key, nor that it was destroyed, nor the person. */
  readonly unknown: readonly Named[];
}

const STATES = `
select w.key_id, encode(w.subject, 'hex') as subject, k.key_id is not null as lives, l.kind, l.subject_id,
  f.key_id is not null or exists (select from oubli.fence s where s.subject_reference = w.subject) as fenced
from unnest($1::bytea[], $2::bytea[]) w(key_id, subject)
left join oubli.subject_key k on k.key_id = w.key_id
left join oubli.fence f on f.key_id = w.key_id
left join oubli.subject_link l on l.key_id = w.key_id`;
const KEPT =
  'select kind, subject_id, retained_key_id from oubli.subject_link where retained_key_id = any($1::bytea[])';
const ARCHIVED = `
select key_id, encode(subject, 'hex') as subject from oubli.archive_key
where key_id = any($1::bytea[]) and subject is not null`;
const HELD = `
select kind, subject_id, null::bytea as subject, held_by from oubli.person_held
union all
select null, null, h.subject, c.name from oubli.held_archive h join oubli.standing_case c on c.id = h.case_id`;
const HELD_BY_KEY = `
select l.key_id, h.held_by from oubli.subject_link l
join oubli.person_held h on h.kind = l.kind and h.subject_id = l.subject_id where l.key_id = any($1::bytea[])
union all
select l.retained_key_id, h.held_by from oubli.subject_link l
join oubli.person_held h on h.kind = l.kind and h.subject_id = l.subject_id where l.retained_key_id = any($1::bytea[])`;
const SHRED = `
with gone as (select * from unnest($1::bytea[], $2::bytea[]) w(key_id, reference)),
destroyed as (delete from oubli.subject_key k using gone where k.key_id = gone.key_id returning k.key_id, k.fingerprint)
insert into oubli.fence (key_id, fingerprint, subject_reference, erased_at)
select d.key_id, d.fingerprint, gone.reference, oubli.now() from destroyed d join gone using (key_id) returning key_id`;

export class KeysOfJournal {
  shredded = 0;
  readonly unknown = new Set<string>();
  /** Cases that keep somebody: a hold wins. */
  readonly heldBy = new Set<string>();
  /** Keys that are not to be destroyed. */
  private readonly left = new Set<string>();

  constructor(
    private readonly engine: Engine,
    private readonly because: string,
  ) {}

  async statesOf(named: readonly Named[]): Promise<States> {
    const bytes = named.map(({ subject }) => (subject === undefined ? null : Buffer.from(subject, 'hex')));
    const { rows } = await this.engine.database.snapshot((snapshot) =>
      snapshot.query(STATES, [named.map(({ keyId }) => keyId), bytes]),
    );
    return {
      living: rows.filter(({ lives }) => lives).map(livingFrom),
      unknown: rows
        .filter(({ lives, fenced }) => !lives && !fenced)
        .map(({ key_id, subject }) => ({
          keyId: key_id as Buffer,
          ...(subject === null ? {} : { subject: String(subject) }),
        })),
    };
  }

  /** Her rows are held, so her key is left. */
  leave(keyId: Uint8Array, by: string): void {
    this.left.add(hex(keyId));
    this.heldBy.add(by);
  }

  /** What is left of them is the key, whatever became of the rows. */
  async shredAgain(named: readonly Named[]): Promise<void> {
    const { database, keys, ledger } = this.engine;
    const { living, unknown } = await this.statesOf(named);
    for (const { keyId } of unknown) this.unknown.add(hex(keyId));
    if (living.length === 0) return;
    await database.transaction(async (connection) => {
      await this.leaveHeld(connection, living);
      const gone = living.filter(({ keyId }) => !this.left.has(hex(keyId)));
      const references = gone.map(({ kind, id }) => (kind === undefined ? null : keys.referenceOf(kind, String(id))));
      const { rows } = await connection.query(SHRED, [gone.map(({ keyId }) => keyId), references]);
      const entries = rows.map(({ key_id }) => ({ act: 'shredded', keyId: key_id as Buffer, because: this.because }));
      if (entries.length > 0) await ledger.record(connection, entries);
      this.shredded += rows.length;
    });
  }

  /** By whatever holds the person, what is kept of her, a single row of that, or her archive. */
  private async leaveHeld(connection: Queryable, living: readonly Living[]): Promise<void> {
    const keyIds = living.map(({ keyId }) => keyId);
    for (const { key_id, held_by } of (await connection.query(HELD_BY_KEY, [keyIds])).rows)
      this.leave(key_id as Buffer, String(held_by));
    await this.leaveArchived(connection, keyIds);
    await this.leaveKept(connection, keyIds);
  }

  private async leaveArchived(connection: Queryable, keyIds: readonly Uint8Array[]): Promise<void> {
    const archived = (await connection.query(ARCHIVED, [keyIds])).rows;
    if (archived.length === 0) return;
    const { rows } = await connection.query(HELD);
    const held = new Map(
      rows.map(({ kind, subject_id: id, subject, held_by }) => [
        hex((subject as Buffer | null) ?? this.engine.keys.referenceOf(String(kind), String(id))),
        String(held_by),
      ]),
    );
    for (const { key_id, subject } of archived) {
      const by = held.get(String(subject));
      if (by !== undefined) this.leave(key_id as Buffer, by);
    }
  }

  private async leaveKept(connection: Queryable, keyIds: readonly Uint8Array[]): Promise<void> {
    const { catalogue } = this.engine;
    const kept = (await connection.query(KEPT, [keyIds])).rows;
    for (const kind of new Set(kept.map((row) => String(row.kind)))) {
      const table = catalogue.subjectTable(kind);
      const theirs = kept.filter((row) => row.kind === kind);
      const names = theirs.map((row) => String(row.subject_id));
      const held = table && (await heldAmong(catalogue, planErasure(catalogue, table), connection, names));
      for (const { subject_id: id, retained_key_id: keyId } of theirs) {
        const by = held?.get(String(id));
        if (by !== undefined) this.leave(keyId as Buffer, by);
      }
    }
  }
}

function livingFrom({ key_id, kind, subject_id: id }: Row): Living {
  const whose = kind === null ? { kind: undefined, id: undefined } : { kind: String(kind), id: String(id) };
  return { keyId: key_id as Buffer, ...whose };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
