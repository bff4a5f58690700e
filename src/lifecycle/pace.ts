/**
 * The pace of a sweep (ERASURE.md A5): what belongs to others goes first. Chunks grow slowly and shrink fast (AIMD, as TCP does it,
 * RFC 5681), a part of the time is left to the traffic, and while the database is in need a sweep waits. Pure decisions;
 * `pacer.ts` measures and waits.
 */
import { ConfigurationError } from '../errors';

export interface PaceOptions {
  /** What a chunk's transaction is to take, in milliseconds: 100 unless said otherwise. A fifth of it while others are at work. */
  readonly target?: number;
  /** After each chunk a rest of so many times its duration while others are at work: 2 unless said otherwise, 0 for none. */
  readonly rest?: number;
  /** Waits while a standby is behind by more seconds than this: 10 unless said otherwise. */
  readonly replicaLag?: number;
  /** Waits while a transaction is open for more seconds than this, for nothing that leaves can be vacuumed then: 300. */
  readonly oldTransaction?: number;
  /** Waits while more connections than this wait for locks: 5. */
  readonly lockWaits?: number;
  /** Waits for so many seconds of a run in all, then goes on in small chunks, for dates are promises: 600. */
  readonly patience?: number;
}

export type Pace = Required<PaceOptions>;

const DEFAULTS: Pace = { target: 100, rest: 2, replicaLag: 10, oldTransaction: 300, lockWaits: 5, patience: 600 };

/** @throws ConfigurationError BAD_PACE */
export function settledPace(options: PaceOptions = {}): Pace {
  for (const [option, value] of Object.entries(options)) {
    const known = option in DEFAULTS;
    const sound = typeof value === 'number' && value >= 0 && (option !== 'target' || value > 0);
    if (!known || !sound) throw new ConfigurationError('BAD_PACE', { option, given: String(value) });
  }
  return { ...DEFAULTS, ...options };
}

/** How large chunks may be. People hang on to many rows, so their chunks go down to one. */
export interface SizeRange {
  readonly start: number;
  readonly least: number;
  readonly most: number;
}

export const ROW_SIZES: SizeRange = { start: 500, least: 50, most: 5_000 };
export const PEOPLE_SIZES: SizeRange = { start: 20, least: 1, most: 5_000 };

/** @param taken how many the chunk held: one that was not full says nothing about larger ones */
export function nextSize(size: number, taken: number, tookMs: number, target: number, range: SizeRange): number {
  if (tookMs > 2 * target) return Math.max(range.least, Math.floor(size * 0.5));
  if (tookMs < target && taken >= size) return Math.min(range.most, Math.ceil(size * 1.25));
  return size;
}

/** What was seen of the database after a chunk. */
export interface Strain {
  /** Connections of others that are at work at this moment, or were a moment ago. */
  readonly active: number;
  /** Connections that wait for a lock. */
  readonly lockWaits: number;
  /** Seconds by which the slowest standby is behind. */
  readonly replicaLag: number;
  /** Seconds since the oldest open transaction began. */
  readonly oldTransaction: number;
  /** Connections of other roles that this one may not look at; PostgreSQL shows them to members of pg_read_all_stats. */
  readonly unseen: number;
}

/** Why a sweep waits; undefined when it need not. */
export function reasonToWait(strain: Strain, pace: Pace): 'replicaLag' | 'oldTransaction' | 'lockWaits' | undefined {
  if (strain.replicaLag > pace.replicaLag) return 'replicaLag';
  if (strain.oldTransaction > pace.oldTransaction) return 'oldTransaction';
  if (strain.lockWaits > pace.lockWaits) return 'lockWaits';
  return undefined;
}

/** Whether others are at work. Whoever cannot be seen is taken to be. */
export function inCompany(recent: readonly Strain[]): boolean {
  return recent.some(({ active, unseen }) => active > 0 || unseen > 0);
}

/** Milliseconds that a chunk is to take: what is short is seldom in somebody's way, and not for long. */
export function targetOf(recent: readonly Strain[], { target }: Pace): number {
  return inCompany(recent) ? target / 5 : target;
}

/** Milliseconds of rest after a chunk. */
export function restAfter(tookMs: number, recent: readonly Strain[], { rest }: Pace): number {
  return inCompany(recent) ? tookMs * rest : 0;
}
