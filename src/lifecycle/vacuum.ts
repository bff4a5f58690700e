/**
 * What follows a purge (ERASURE.md L4): the statistics of what left are forgotten, and the tables vacuumed, with their indexes, outside
 * of any transaction. Autovacuum's defaults would leave a table of a million rows unvacuumed for a year, and the planner's samples
 * outlive an emptied table. What the role may not do is reported, and stands in certificates as not done. What failed, and what a
 * snapshot from before the purge held back, is done again by the next sweep.
 */
import type { Table } from '../catalogue/model';
import type { Queryable, Row } from '../queryable';
import { isLocked } from './database';
import type { Engine } from './engine';
import { keptSamples, statisticsForgotten } from './forget-statistics';
import { after, BEGIN, DONE, FLUSH, TOUCHED } from './vacuum-statements';

export interface VacuumReport {
  readonly table: string;
  /** Rows that erasures and rules touched since it was vacuumed. */
  readonly rows: number;
  /** `done`, or why not: then it is done again by the next sweep. */
  readonly vacuum: string;
  /** Whether the planner's statistics were made anew: where samples were forgotten, or more than 5 % of the rows touched. */
  readonly analysed: boolean;
  /** `forgotten`, `none` where nothing in clear was sampled, or why they are still there. */
  readonly statistics: string;
}

interface Touched {
  readonly table: Table;
  readonly rows: number;
  /** What was found out about it before. */
  readonly found: Row;
}

/** What became of one table. */
interface Outcome {
  readonly report: VacuumReport;
  /** Whether it is to be done again. */
  readonly waits: boolean;
  /** What of it a certificate may rely on. */
  readonly proved?: { readonly clean_before?: string; readonly forgotten?: boolean };
  readonly failure?: unknown;
}

/** More than this share of a table, and the planner should know. */
const MANY = 0.05;
const PATIENCE = '5s';
/** From PostgreSQL 15 on a session reads statistics as they are, and not what a collector has passed on. */
const OWN_STATISTICS = 150000;

const NOT_ALLOWED = 'this role may not: it needs to own the table, or from PostgreSQL 17 on MAINTAIN';
const NOT_REACHED = 'not done: the sweep was stopped before';
const HELD_BACK =
  'held back: a transaction, a prepared transaction or a replication slot from before may still read what left; done again by the next sweep';
/** Work of others, or a page that was in use: looked at once more, and no more often. */
const LEFT = 'dead tuples were left';

/** @returns nothing where another process is at it @throws what a table failed with, after the others were done */
export async function vacuumTouched({ catalogue, database }: Engine, signal?: AbortSignal): Promise<VacuumReport[]> {
  const outcomes: Outcome[] = await database.outside(PATIENCE, async (connection) => {
    const [begun] = (await connection.query(BEGIN)).rows;
    if (!begun?.mine) return [];
    const names = catalogue.tables.map(({ displayName }) => displayName);
    const { rows } = await connection.query(TOUCHED, [begun.position, names, catalogue.tables.map(({ oid }) => oid)]);
    const touched = rows.flatMap((found): Touched[] => {
      const table = catalogue.table(Number(found.rel));
      return table ? [{ table, rows: Number(found.rows), found }] : [];
    });
    if (touched.length > 0) await connection.query(FLUSH);
    const done: Outcome[] = [];
    for (const each of touched)
      done.push(signal?.aborted ? notDone(each, NOT_REACHED) : await cleaned(connection, each));
    const reports = JSON.stringify(done.map(({ report }) => report));
    await connection.query(DONE, [
      begun.position,
      reports,
      JSON.stringify(touched.map((each, i) => noted(each, done[i] as Outcome))),
    ]);
    return done;
  });
  const failed = outcomes.find(({ failure }) => failure !== undefined);
  if (failed) throw failed.failure;
  return outcomes.map(({ report }) => report);
}

function noted({ found }: Touched, { report, waits, proved }: Outcome): object {
  return {
    rel: found.rel,
    newest: found.newest,
    waiting: waits ? report.rows : 0,
    why: waits ? (report.vacuum === 'done' ? LEFT : report.vacuum) : null,
    clean_at: proved?.clean_before === undefined ? null : found.now,
    clean_before: proved?.clean_before ?? null,
    forgotten_at: proved?.forgotten ? found.now : null,
  };
}

function notDone({ table, rows }: Touched, why: string, failure?: unknown): Outcome {
  const report = { table: table.displayName, rows, vacuum: why, analysed: false, statistics: why };
  return { report, waits: true, failure };
}

async function cleaned(connection: Queryable, touched: Touched): Promise<Outcome> {
  const { found } = touched;
  if (!found.may) return notDone(touched, NOT_ALLOWED);
  if (found.held) return notDone(touched, HELD_BACK);
  try {
    return await vacuumed(connection, touched);
  } catch (error) {
    // Somebody works on the table, which is said.
    if (isLocked(error)) return notDone(touched, `somebody held it for more than ${PATIENCE}`);
    return notDone(touched, `failed (${String((error as { code?: unknown }).code)})`, error);
  }
}

async function vacuumed(connection: Queryable, { table, rows, found }: Touched): Promise<Outcome> {
  const analysed = Boolean(found.sampled) || rows > MANY * Number(found.live);
  const names = (found.names as string[]).join(', ');
  await connection.query(`vacuum (index_cleanup on${analysed ? ', analyze' : ''}) ${names}`);
  if (Number(found.version) < OWN_STATISTICS) await connection.query(FLUSH);
  const [seen = {}] = (await connection.query(after(table.sqlName), [table.oid, found.began])).rows;
  const kept = keptSamples(seen, analysed);
  const statistics = seen.hidden
    ? 'this role may not read pg_stats of it'
    : found.sampled || kept.length > 0
      ? await statisticsForgotten(connection, table, kept, Number(found.version))
      : 'none';
  const horizon = [found.horizon, seen.horizon].map((each) => BigInt(String(each))).reduce((a, b) => (a < b ? a : b));
  const isHeld = horizon <= BigInt(String(found.newest));
  const about = { table: table.displayName, rows, analysed, statistics };
  return {
    report: { ...about, vacuum: isHeld ? HELD_BACK : 'done' },
    waits: isHeld || (!seen.clean && found.why !== LEFT),
    proved: {
      ...(seen.clean && !isHeld ? { clean_before: String(horizon) } : {}),
      forgotten: statistics === 'none' || statistics === 'forgotten',
    },
  };
}
