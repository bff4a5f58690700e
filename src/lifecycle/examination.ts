/**
 * What is looked at beside an erasure, in its transaction: where else the person stands (ERASURE.md L5), before anything is destroyed; and
 * whether what stays of her singles her out (A7), before and after. Apply calls the two halves around its statement.
 */
import { PlanBlockedError } from '../errors';
import type { Queryable, Row } from '../queryable';
import { type Examined, type ProbeReport, type ResidueHit, recordExamined } from '../registers/examined';
import type { Engine } from './engine';
import { combinationsTouched, measured, type Touched } from './figures';
import type { Plan } from './plan';
import { findResidue } from './residue';

/** How the residue probe is run. */
export interface Probe {
  /** What a hit does: nothing is erased, she alone is put off, or it is only said in the receipt. */
  readonly hits: 'refuse' | 'defer' | 'report';
  readonly milliseconds: number;
  /** Of a run that lasts, in which others make and drop tables: each time it is asked anew where texts stand. */
  readonly ofRun?: true;
}

export interface Examination {
  /** Who may leave. */
  readonly names: ReadonlySet<string>;
  /** Who was put off, and where she stands. */
  readonly putOff: readonly ResidueHit[];
  /** To be called with the entries of the ledger when the statement has run. */
  finish(entries: readonly Row[]): Promise<Finished>;
}

export interface Finished {
  /** As they were given, with what was looked at beside them. */
  readonly entries: readonly Row[];
  /** What was written to the ledger about it, to be linked with them. */
  readonly written: readonly Row[];
}

/** @throws PlanBlockedError RESIDUE_FOUND, naming tables and columns */
export async function examine(
  engine: Engine,
  plan: Plan,
  connection: Queryable,
  names: readonly string[],
  probe: Probe | undefined,
): Promise<Examination> {
  const { left, report, putOff } = await probed(engine, plan, connection, names, probe);
  const touched = left.length === 0 ? [] : await combinationsTouched(engine.catalogue, plan, connection, left);
  return {
    names: new Set(left),
    putOff,
    finish: (entries) => finish(engine, connection, entries, report, touched),
  };
}

interface Probed {
  readonly left: readonly string[];
  readonly report?: ProbeReport;
  readonly putOff: readonly ResidueHit[];
}

async function probed(
  engine: Engine,
  plan: Plan,
  connection: Queryable,
  names: readonly string[],
  probe: Probe | undefined,
): Promise<Probed> {
  if (!probe || plan.kind === undefined || names.length === 0) return { left: names, putOff: [] };
  const { hits, unseen, tables } = await findResidue(engine, plan, connection, names, probe);
  const found = together(hits);
  if (probe.hits === 'refuse' && found.length > 0) throw blocked(plan.kind, found);
  const report = { tables, notLookedThrough: unseen };
  if (probe.hits === 'report') return { left: names, report: { ...report, found }, putOff: [] };
  const stay = new Set(hits.map(({ person }) => person));
  return { left: names.filter((name) => !stay.has(name)), report: { ...report, found: [] }, putOff: found };
}

function together(hits: readonly ResidueHit[]): ResidueHit[] {
  const sums = new Map<string, ResidueHit>();
  for (const { table, column, rows } of hits) {
    const place = `${table}.${column}`;
    sums.set(place, { table, column, rows: rows + (sums.get(place)?.rows ?? 0) });
  }
  return [...sums.values()];
}

function blocked(kind: string, found: readonly ResidueHit[]): PlanBlockedError {
  const places = found.map(({ table, column, rows }) => `${rows} in ${table}.${column}`).join(', ');
  const [first] = found;
  return new PlanBlockedError('RESIDUE_FOUND', { kind, places, table: first?.table, column: first?.column });
}

async function finish(
  engine: Engine,
  connection: Queryable,
  entries: readonly Row[],
  report: ProbeReport | undefined,
  touched: readonly Touched[],
): Promise<Finished> {
  const figures = await measured(connection, touched, engine.thresholds ?? {});
  const examined: Examined = {
    ...(report ? { probe: report } : {}),
    ...(figures.length > 0 ? { measured: figures } : {}),
  };
  if (entries.length === 0 || Object.keys(examined).length === 0) return { entries, written: [] };
  const numbers = entries.map(({ entry }) => Number(entry));
  const written = await recordExamined(connection, numbers, examined);
  return { entries: entries.map((entry) => ({ ...entry, examined })), written };
}
