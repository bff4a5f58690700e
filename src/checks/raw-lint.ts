/**
 * For test runs: finds statements that sort, group, deduplicate, unite or compare by ciphertext. The builder refuses those by name, but
 * nobody reads raw text; the planner does. Each text is planned once, never carried out (`EXPLAIN (GENERIC_PLAN)`, PostgreSQL
 * manual, from version 16 on), and its keys and conditions are compared with the sealed columns.
 */
import type { Knex } from 'knex';
import { ConfigurationError } from '../errors';
import { blindUses } from '../knex/blind-uses';
import { describe } from '../knex/describe';
import { type Connection, internalsOf } from '../knex/internals';
import type { PlanNode, SealedColumn } from '../knex/plan';
import { FIRST_GENERIC, PLANNED, planOf as planned, versionOf } from '../knex/planned';
import { withOwnTypes } from '../own-types';
import { sealedKeys } from './plan-keys';

/** A sealed column by whose ciphertext a statement would order or compare. */
export interface RawFinding {
  readonly table: string;
  readonly column: string;
  /** What the plan does with it: `Sort`, `Aggregate`, `SetOp`, `Comparison`, `::text` … */
  readonly by: string;
  /** The statement's text, with `$1` in place of its parameters. */
  readonly sql: string;
}

export interface RawLint {
  /**
   * Plans every statement heard so far.
   * @throws ConfigurationError before PostgreSQL 16
   */
  findings(): Promise<RawFinding[]>;
  /** Statements that could not be planned afterwards: their tables were in a transaction, or are gone. Filled by `findings()`. */
  readonly unplanned: readonly string[];
  /** Hears no more. */
  stop(): void;
}

const SEALED = `
select n.nspname as schema, c.relname as table, a.attname as column, e.id as element, e.protect,
       e.compound is not null as compound
from pg_catalog.pg_attribute a join oubli.element e on e.domain = a.atttypid
join pg_catalog.pg_class c on c.oid = a.attrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where e.protect <> 'truncate-ip' and not a.attisdropped`;

/** Listens to an instance from now on. @param db as `oubli()` returned it */
export function listenForRawQueries(db: Knex): RawLint {
  const texts = new Set<string>();
  const unplanned: string[] = [];
  const listen = ({ sql }: { sql: string }): void => {
    if (PLANNED.test(sql)) texts.add(sql);
  };
  db.on('query', listen);
  return {
    unplanned,
    findings: () => onConnection(db, (connection) => planAll(connection, texts, unplanned)),
    stop: () => {
      db.removeListener('query', listen);
    },
  };
}

async function onConnection<T>(db: Knex, work: (connection: Connection) => Promise<T>): Promise<T> {
  const client = internalsOf(db);
  const connection = await client.acquireConnection();
  try {
    return await work(connection);
  } finally {
    await client.releaseConnection(connection);
  }
}

async function planAll(connection: Connection, texts: Set<string>, unplanned: string[]): Promise<RawFinding[]> {
  if ((await versionOf(connection)) < FIRST_GENERIC) throw new ConfigurationError('LINT_NEEDS_16');
  const sealed = (await withOwnTypes(connection).query(SEALED)).rows as unknown as SealedColumn[];
  const findings: RawFinding[] = [];
  for (const sql of texts) {
    const plan = await planOf(connection, sql);
    if (plan) findings.push(...findingsIn(plan, sealed).map((finding) => ({ ...finding, sql })));
    else unplanned.push(sql);
  }
  texts.clear();
  return findings;
}

function findingsIn(plan: PlanNode, sealed: readonly SealedColumn[]): Omit<RawFinding, 'sql'>[] {
  const compared = blindUses(plan, sealed).map(({ table, column, operator }) => ({
    table,
    column,
    by: operator ?? 'Comparison',
  }));
  return [...sealedKeys(plan, sealed), ...compared];
}

/** Described first, which takes one statement and no more: of a text of several, all after the first would be carried out. */
function planOf(connection: Connection, sql: string): Promise<PlanNode | undefined> {
  return describe(connection, sql)
    .then(() => planned(connection, sql, true))
    .catch(() => undefined);
}
