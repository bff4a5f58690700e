/**
 * The journal: what oubli keeps outside the database, so that a restored or rewritten database is noticed, and people who were
 * erased are erased again (ERASURE.md S1). Lines of JSON: one for each entry of the ledger, without its text, and signed checkpoints
 * of the chain. No personal data: a person is her key id, or a keyed reference.
 */
import type { LedgerKeys } from '../keyring/ledger-keys';

/**
 * Where the lines go: `fileJournal`, or a place of your own, such as an object store.
 *
 * Throws contract: `append` resolves when the lines are stored for good, all of them, and rejects otherwise; it may be called again
 * with the same lines, also while an earlier call hangs. What it throws is told to whoever wrote to the ledger, whose work is done
 * nevertheless: it stands in the database, and here as soon as somebody tells it, by the next entry, sweep or start. Only if the
 * database is restored to a moment before, while it is not here yet, nobody knows of it any more.
 */
export interface Journal {
  /** How errors and commands name it: the path of the file. */
  readonly name: string;
  /** How long it may take to store some lines, or to give the next one: 10 unless said. Then it is given up for that time. */
  readonly seconds?: number;
  append(lines: readonly string[]): Promise<void>;
  /** All lines, in any order; with `last`, those that were appended last are enough, so many at least. */
  read(options?: { last?: number }): AsyncIterable<string>;
}

/** One entry of the ledger. */
export interface JournalEntry {
  readonly branch: number;
  readonly position: number;
  /** Number in the ledger. */
  readonly entry: string;
  /** Microseconds since 1970. */
  readonly at: string;
  readonly act: string;
  /** Hex; null where it speaks of nobody. */
  readonly key: string | null;
  /** Hex, 32 bytes. */
  readonly link: string;
  /** Hex, of somebody who is to be found again without her key: a keyed reference, as the fence has it. */
  readonly subject?: string;
  /** Hex: a keyed reference to the case that holds. */
  readonly case?: string;
  /** Of which it was told that somebody else may have its key. */
  readonly epoch?: number;
}

/** Where the chain was at a moment, signed. */
export interface Checkpoint {
  /** Hex: whose ledger. */
  readonly instance: string;
  readonly branch: number;
  readonly position: number;
  readonly link: string;
  readonly at: string;
}

/** What a restore took from the ledger, and that it was replayed; signed. */
export interface Fork {
  readonly instance: string;
  /** Under which number the chain goes on. */
  readonly branch: number;
  /** Where the chain goes on under it. */
  readonly after: number;
  readonly lost: readonly Lost[];
  readonly at: string;
}

/** What of a branch is in the journal only: the positions behind `after`, up to the last. */
export interface Lost {
  readonly branch: number;
  readonly after: number;
  readonly position: number;
}

export type JournalLine =
  | { readonly is: 'entry'; readonly entry: JournalEntry; readonly mac: string }
  | { readonly is: 'checkpoint'; readonly checkpoint: Checkpoint; readonly signature: string }
  | { readonly is: 'fork'; readonly fork: Fork; readonly signature: string };

export function entryLine(
  keys: LedgerKeys,
  { branch, position, entry, at, act, key, link, ...of }: JournalEntry,
): string {
  const fields = { branch, position, entry, at, act, key, link, ...of };
  return JSON.stringify({ ...fields, mac: keys.mac(saidOf('entry', fields)).toString('hex') });
}

/** Hex. A kind of people is one word, so nobody bears this one. */
export function caseReference(keys: LedgerKeys, name: string): string {
  return keys.referenceOf('hold case', name).toString('hex');
}

export function checkpointLine(keys: LedgerKeys, checkpoint: Checkpoint): string {
  return JSON.stringify({ checkpoint, signature: keys.sign(saidOf('checkpoint', checkpoint)).toString('base64') });
}

export function forkLine(keys: LedgerKeys, fork: Fork): string {
  return JSON.stringify({ fork, signature: keys.sign(saidOf('fork', fork)).toString('base64') });
}

/** What is signed: what it is, a line feed, and the JSON as it stands in the line. */
export function saidOf(what: 'entry' | 'checkpoint' | 'fork', fields: object): Buffer {
  return Buffer.from(`oubli/journal/${what}/v1\n${JSON.stringify(fields)}`);
}

/** @returns undefined for a line that was torn, or damaged: `isTorn` tells which */
export function parseLine(text: string): JournalLine | undefined {
  const parsed = parsedObject(text);
  if (!parsed) return undefined;
  const { checkpoint, fork, signature, mac, ...entry } = parsed;
  if (isPlace(checkpoint) && typeof signature === 'string')
    return { is: 'checkpoint', checkpoint: checkpoint as unknown as Checkpoint, signature };
  if (isFork(fork) && typeof signature === 'string') return { is: 'fork', fork: fork as unknown as Fork, signature };
  if (!isPlace(entry) || typeof entry.act !== 'string' || typeof mac !== 'string') return undefined;
  return { is: 'entry', entry: entry as unknown as JournalEntry, mac };
}

/**
 * Whether a line that cannot be read was cut off while it was written, with or without the zeros that a file system leaves where the power
 * went: whoever wrote it never heard that it was stored, and it is written again. Anything else was done to it later.
 */
export function isTorn(text: string): boolean {
  return /^(?:\{[\x20-\x7e]*)?\0*$/.test(text) && !/"(?:mac|signature)":"[^"]*"\}$/.test(text);
}

/** Whether this installation wrote the line. */
export function isOurs(keys: LedgerKeys, line: JournalLine): boolean {
  switch (line.is) {
    case 'entry':
      return keys.mac(saidOf('entry', line.entry)).toString('hex') === line.mac;
    case 'checkpoint':
      return keys.verify(saidOf('checkpoint', line.checkpoint), Buffer.from(line.signature, 'base64'));
    case 'fork':
      return keys.verify(saidOf('fork', line.fork), Buffer.from(line.signature, 'base64'));
  }
}

function parsedObject(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined; // readers tell what was torn from what was damaged
  }
}

function isPlace(given: unknown): given is Record<string, unknown> {
  const { branch, position, link } = (given ?? {}) as Record<string, unknown>;
  return Number.isSafeInteger(branch) && Number.isSafeInteger(position) && /^[0-9a-f]{64}$/.test(String(link));
}

function isFork(given: unknown): given is Record<string, unknown> {
  const { branch, after, lost } = (given ?? {}) as Record<string, unknown>;
  return Number.isSafeInteger(branch) && Number.isSafeInteger(after) && Array.isArray(lost) && lost.every(isLost);
}

function isLost(given: unknown): boolean {
  const { branch, after, position } = (given ?? {}) as Record<string, unknown>;
  return [branch, after, position].every(Number.isSafeInteger);
}
