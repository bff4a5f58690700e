/**
 * The epochs of an installation as the database knows them: for lists, certificates and checks. No keys are needed to read them.
 *
 * An epoch is the newest, under which every new key is wrapped; then `draining` until every living key is wrapped under a newer one; then
 * `drained`, while backups from before may still have to be restored; then its key is destroyed, at once or on a date (ENVELOPE.md K5-K7).
 */
import type { Queryable } from '../queryable';

export interface EpochState {
  readonly epoch: number;
  readonly state: 'newest' | 'draining' | 'drained' | 'scheduled' | 'destroyed';
  readonly openedAt: Date;
  /** Whole days since then. */
  readonly days: number;
  /** Subject keys wrapped under it: of the living, of rows that are kept, of archives. */
  readonly keys: number;
  /** From then on no key is wrapped under it; a backup from before needs its key. */
  readonly drainedAt: Date | undefined;
  /** Not destroyed earlier, so that backups from before can be restored. */
  readonly destroyAfter: Date | undefined;
  readonly destroyedAt: Date | undefined;
  /** What the provider said of its key. */
  readonly destruction: EpochDestruction | undefined;
  /** When it was told that somebody else may have its key; and when no living key was left that it opens. */
  readonly compromisedAt: Date | undefined;
  readonly resealedAt: Date | undefined;
}

export interface EpochDestruction {
  readonly is: 'destroyed' | 'scheduled';
  /** ISO, of one that is scheduled. */
  readonly on?: string;
  readonly proven?: boolean;
  readonly how: string;
}

const STATES = `
select e.id, e.created_at, (extract(epoch from oubli.now() - e.created_at) / 86400)::integer as days,
  (select count(*) from oubli.subject_key k where k.epoch = e.id) as keys,
  e.drained_at, e.destroy_after, e.destroyed_at, e.destruction, e.compromised_at, e.resealed_at,
  case when e.destroyed_at is not null then 'destroyed' when e.destruction is not null then 'scheduled'
    when e.drained_at is not null then 'drained' when e.id < oubli.newest_epoch() then 'draining' else 'newest' end as state
from oubli.epoch e order by e.id desc`;

/** Newest first. */
export async function readEpochs(connection: Queryable): Promise<EpochState[]> {
  const { rows } = await connection.query(STATES);
  return rows.map((row) => ({
    epoch: Number(row.id),
    state: row.state as EpochState['state'],
    openedAt: row.created_at as Date,
    days: Number(row.days),
    keys: Number(row.keys),
    drainedAt: (row.drained_at as Date | null) ?? undefined,
    destroyAfter: (row.destroy_after as Date | null) ?? undefined,
    destroyedAt: (row.destroyed_at as Date | null) ?? undefined,
    destruction: (row.destruction as EpochDestruction | null) ?? undefined,
    compromisedAt: (row.compromised_at as Date | null) ?? undefined,
    resealedAt: (row.resealed_at as Date | null) ?? undefined,
  }));
}

const RESTORABLE = `
select max(drained_at) filter (where destruction is not null or destroyed_at is not null) as since,
  min(destroy_after) filter (where destruction is null and destroyed_at is null) as next,
  (array_agg(drained_at order by destroy_after) filter (where drained_at is not null and destruction is null and destroyed_at is null))[1]
    as then_since
from oubli.epoch`;

/** How far back a backup can be taken from: an older one holds keys that nobody can unwrap any more, of everybody. */
export interface Restorable {
  /** Undefined while no epoch key was given up: every backup is as good as ever. */
  readonly since: Date | undefined;
  /** When the next epoch key may be destroyed, and since when backups are good from then on. */
  readonly next: { readonly at: Date; readonly since: Date } | undefined;
}

export async function restorable(connection: Queryable): Promise<Restorable> {
  const [row] = (await connection.query(RESTORABLE)).rows;
  return {
    since: (row?.since as Date | null) ?? undefined,
    next: row?.next ? { at: row.next as Date, since: row.then_since as Date } : undefined,
  };
}

/** Nothing while every backup is as good as ever. */
export function sayRestorable({ since, next }: Restorable): string[] {
  return [
    ...(since
      ? [`only those taken since ${since.toISOString()} can be restored: before, keys of everybody are lost`]
      : []),
    ...(next ? [`from ${next.at.toISOString()} on only those taken since ${next.since.toISOString()}`] : []),
  ];
}

/** The same for whoever reads lines. */
export function sayBackups(restorable: Restorable): string[] {
  const lines = sayRestorable(restorable).map((line) => `backups: ${line}`);
  return restorable.since ? lines : ['every backup can be restored', ...lines];
}

const GONE = `
select to_char(oubli.epochs_gone(f.epoch) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at, f.epoch,
  (select bool_and((e.destruction ->> 'proven')::boolean) from oubli.epoch e where e.id <= f.epoch) as proven,
  (select max(e.destruction ->> 'on') from oubli.epoch e where e.id <= f.epoch and e.destruction ->> 'is' = 'scheduled') as on,
  (select e.destruction ->> 'how' from oubli.epoch e where e.id = f.epoch) as how,
  (select json_build_object('epoch', e.id, 'since', to_char(e.compromised_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
   from oubli.epoch e where e.compromised_at is not null and e.id <= f.epoch
     and e.id >= (select min(coalesce(n.born, 0)) from (
       select born from oubli.fence where key_id = any(oubli.names_of(f.key_id))
       union all select born from oubli.fence where unused_reference = f.subject_reference) n)
   order by e.id limit 1) as compromised
from oubli.fence f where f.key_id = decode($1, 'hex')`;

/** What became of every epoch key that ever wrapped the key of somebody who was erased. */
export interface KeysGone {
  /** ISO; null while one of them is there. */
  readonly at: string | null;
  /** The last of them. */
  readonly epoch: number | undefined;
  readonly proven: boolean;
  /** ISO: the date on which the provider will have destroyed the last of them, where it was asked to. */
  readonly on: string | undefined;
  readonly how: string | undefined;
  /** The first epoch of hers whose key somebody else may have: no destruction takes it from him. */
  readonly compromised: { readonly epoch: number; readonly since: string } | undefined;
}

/** @param keyId hex */
export async function keysGone(connection: Queryable, keyId: string): Promise<KeysGone> {
  const [row] = (await connection.query(GONE, [keyId])).rows;
  return {
    at: (row?.at as string | null | undefined) ?? null,
    epoch: row ? Number(row.epoch) : undefined,
    proven: row?.proven === true,
    on: (row?.on as string | null | undefined) ?? undefined,
    how: (row?.how as string | null | undefined) ?? undefined,
    compromised: (row?.compromised as KeysGone['compromised'] | null) ?? undefined,
  };
}
