/**
 * The receipt of an erasure: what was removed, anonymised, detached and kept, table by table, as the ledger holds it
 * (ERASURE.md L3). The counts come from the statement that did the work; the person is named by her key id only.
 */
import type { Row } from '../queryable';
import type { Examined, Measurement, ProbeReport } from './examined';

export interface ReceiptLine {
  readonly table: string;
  /** Rows, as counted by the statement that touched them. */
  readonly rows: number;
  readonly because?: string;
}

/** What a strategy makes of a value, as the law sees it (GDPR recital 26, Art. 4(5)). */
export type LegalEffect = 'erases' | 'anonymises if its tests pass' | 'pseudonymises (still personal)';

/**
 * What stands in a person's place: NULL; a sealed value that names nobody; a random one; the declared or the empty one; what is
 * left of hers, made coarser; a fake; what PostgreSQL computes from other columns; or, as a pseudonym, she herself.
 */
export type Strategy =
  | 'null'
  | 'tombstone'
  | 'random'
  | 'fixed'
  | 'empty'
  | 'generalised'
  | 'fake'
  | 'computed'
  | 'pseudonym';

export interface TreatedColumn {
  readonly column: string;
  readonly strategy: Strategy;
  readonly effect: LegalEffect;
}

export interface AnonymisedLine extends ReceiptLine {
  /** What was done to each personal column. */
  readonly columns: readonly TreatedColumn[];
}

/** Rows that were to leave and did not. */
export interface SkippedLine extends ReceiptLine {
  readonly because: string;
}

export interface KeptLine extends ReceiptLine {
  /** The legal ground (GDPR Art. 17(3)). */
  readonly because: string;
  /** ISO date on which the last of these rows leaves too; undefined while its clock has not started. */
  readonly until?: string;
}

/** Rows that were moved to the intermediate archive, where they are sealed under its own keys. */
export interface ArchivedLine extends ReceiptLine {
  /** The legal ground. */
  readonly because: string;
  /** ISO moment on which the archive of the last of these rows ends. */
  readonly until: string;
  /** Its schema. */
  readonly archive: string;
  /**
   * Set where that is in another database: `'outbox'` until the last of the rows has arrived there and all are `'delivered'`; `'ended'` where
   * the end of the archive came before some of them did.
   */
  readonly elsewhere?: 'outbox' | 'delivered' | 'ended';
}

export interface Receipt {
  /** Number of the ledger's entry. */
  readonly entry: number;
  /** When no live path to the data was left. */
  readonly erasedAt: Date;
  /** Hex: the only name the person has left. */
  readonly keyId: string;
  readonly kind: string;
  /** The reason that was given. */
  readonly because: string;
  readonly removed: readonly ReceiptLine[];
  readonly anonymised: readonly AnonymisedLine[];
  readonly detached: readonly ReceiptLine[];
  readonly archived: readonly ArchivedLine[];
  readonly kept: readonly KeptLine[];
  readonly skipped: readonly SkippedLine[];
  /** Where else she was looked for; undefined where nobody looked (ERASURE.md L5). */
  readonly probe?: ProbeReport;
  /** k, l and unique combinations of the quasi-identifiers that stay, before and after (ERASURE.md A7). */
  readonly measured?: readonly Measurement[];
}

interface StoredLine {
  table: string;
  action: string;
  rows: number;
  because?: string;
  until?: string;
  elsewhere?: boolean;
  columns?: TreatedColumn[];
}

/** @param row of `oubli.ledger`, with what was looked at beside it and what waits in the outbox and has arrived, as `RECEIPT` selects it */
export function receiptFrom(row: Row): Receipt {
  const details = row.details as { kind: string; tables: StoredLine[] };
  const of = (action: string): ReceiptLine[] =>
    details.tables.filter((line) => line.action === action && line.rows > 0).map(({ action: _, ...line }) => line);
  return {
    entry: Number(row.entry),
    erasedAt: row.at as Date,
    keyId: Buffer.from(row.key_id as Uint8Array).toString('hex'),
    kind: details.kind,
    because: String(row.because),
    removed: of('delete'),
    anonymised: of('anonymise').map((line) => ({ columns: [], ...line })),
    detached: of('detach'),
    archived: of('archive').map((line) => archived(line, row)),
    kept: of('keep') as KeptLine[],
    skipped: of('skip') as SkippedLine[],
    ...examinedIn(row),
  };
}

function examinedIn({ examined }: Row): Examined {
  const { probe, measured } = (examined ?? {}) as Examined;
  return { ...(probe ? { probe } : {}), ...(measured ? { measured } : {}) };
}

function archived(line: ReceiptLine, found: Row): ArchivedLine {
  const { elsewhere, until, ...rest } = line as StoredLine & { archive: string; because: string; until: string };
  const ends = { ...rest, until: new Date(until).toISOString() };
  return elsewhere ? { ...ends, elsewhere: onItsWay(line, found) } : ends;
}

/** What was moved is in the outbox at first; what the ledger tells of its arrival has arrived, and nothing else. */
function onItsWay({ table, rows }: ReceiptLine, { waiting, arrived }: Row): NonNullable<ArchivedLine['elsewhere']> {
  const count = (of: unknown): number => Number((of as Record<string, unknown>)[table] ?? 0);
  if (waiting === undefined || count(waiting) > 0) return 'outbox';
  return count(arrived) >= rows ? 'delivered' : 'ended';
}
