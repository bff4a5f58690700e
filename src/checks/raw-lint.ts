/**
 * For test runs: finds statements that sort, group, deduplicate or unite by a sealed column. The builder refuses those by name, but
 * nobody reads raw text; the planner does. Each text is planned once, never carried out (`EXPLAIN (GENERIC_PLAN)`, PostgreSQL
 * manual, from version 16 on), and the plan's sort and group keys are compared with the sealed columns.
 */
import type { Knex } from 'knex';
import { ConfigurationError } from '../errors';
import { describe } from '../knex/describe';
import { type Connection, internalsOf } from '../knex/internals';
import { type PlanNode, sealedKeys } from './plan-keys';

/** A sealed column by whose ciphertext a statement would order or compare. */
export interface RawFinding {
  readonly table: string;
  readonly column: string;
  /** What the plan does with it: `Sort`, `Aggregate`, `SetOp` … */
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

interface Explained {
  readonly 'QUERY PLAN': readonly [{ readonly Plan: PlanNode }];
}

const PLANNED = /^\s*\(*\s*(select|with|insert|update|delete|merge|values)\b/i;
const FIRST_VERSION = 160_000;

const SEALED = `
select n.nspname as schema, c.relname as table, a.attname as column
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
  const [server] = (await connection.query(`select current_setting('server_version_num')::int as version`)).rows;
  if (Number(server?.version) < FIRST_VERSION) throw new ConfigurationError('LINT_NEEDS_16');
  const sealed = (await connection.query(SEALED)).rows.map(({ schema, table, column }) => ({
    schema: String(schema),
    table: String(table),
    column: String(column),
  }));
  const findings: RawFinding[] = [];
  for (const sql of texts) {
    const plan = await planOf(connection, sql);
    if (plan) findings.push(...sealedKeys(plan, sealed).map((key) => ({ ...key, sql })));
    else unplanned.push(sql);
  }
  texts.clear();
  return findings;
}

/** Described first, which takes one statement and no more: of a text of several, all after the first would be carried out. */
function planOf(connection: Connection, sql: string): Promise<PlanNode | undefined> {
  return describe(connection, sql)
    .then(() => connection.query(`explain (generic_plan, verbose, format json) ${sql}`))
    .then(
      ({ rows }) => (rows[0] as unknown as Explained | undefined)?.['QUERY PLAN'][0].Plan,
      () => undefined,
    );
}
