/**
 * Rows that the law obliges to keep outlive their person's key: their values are sealed anew under a key of their own, which
 * belongs to no living subject and is destroyed when the last of these rows has left.
 */
import type { Column, Table } from '../catalogue/model';
import { joinChain } from '../catalogue/path-sql';
import { keyIdOf } from '../crypto/envelope';
import { KeyCache } from '../keyring/key-cache';
import type { KeyState, SubjectKey } from '../keyring/subject-keys';
import { type Queryable, quoteIdentifier as q, type Row } from '../queryable';
import { dueCondition } from './due';
import type { Engine } from './engine';
import type { ResealedTable } from './erasure-statement';
import type { Plan } from './plan';
import { belongsTo, fromName } from './root';
import { rulesOf } from './rule';
import { type KeptShare, keptShares } from './shared-rows';
import type { Step } from './step';

export interface Resealed {
  readonly tables: readonly ResealedTable[];
  /** The key that is kept of each that leaves, in the order of their names; null where nothing sealed is kept. */
  readonly retained: readonly (Uint8Array | null)[];
  /** One array per `$n` of the statement, in order. */
  readonly parameters: readonly unknown[][];
}

interface KeptTable {
  readonly table: Table;
  readonly columns: readonly Column[];
  readonly rows: readonly KeptRow[];
}

/** A row as it is stored, and who leaves of those whose values are in it. */
interface KeptRow {
  readonly part: unknown;
  readonly at: unknown;
  readonly until: unknown;
  readonly values: readonly (Uint8Array | null)[];
  /** Whose the value of each column is; nobody's who leaves where it stays as it is. */
  readonly names: (string | undefined)[];
}

/** Opens and seals what is kept of these; nothing is written yet but the fresh keys. */
export async function resealKept(
  engine: Engine,
  plan: Plan,
  connection: Queryable,
  names: readonly string[],
): Promise<Resealed> {
  const kept: KeptTable[] = [];
  for (const step of plan.steps) {
    const columns = sealedColumns(step.table);
    if (step.action !== 'keep' || columns.length === 0) continue;
    const rows = new Map<string, KeptRow>();
    for (const share of keptShares(step)) {
      const found = await connection.query(keptRows(engine, plan, step, columns, share), [names]);
      for (const row of found.rows) noteRow(rows, row, columns, share.columns);
    }
    kept.push({ table: step.table, columns, rows: [...rows.values()] });
  }
  const states = await engine.keys.byId(keyIdsOf(kept));
  const fresh = await freshKeys(engine, kept);
  return {
    tables: kept.map(({ table, columns }) => ({ table, columns: columns.map((column) => column.name) })),
    retained: names.map((name) => fresh.get(name)?.keyId ?? null),
    parameters: kept.flatMap((each) => resealTable(engine, each, states, fresh)),
  };
}

function sealedColumns(table: Table): Column[] {
  return [...table.columns.values()].filter((column) => column.element?.protect === 'encrypt');
}

/** A row of several people is found once for each of them. */
function noteRow(rows: Map<string, KeptRow>, row: Row, columns: readonly Column[], hers: readonly Column[]): void {
  const { part, at, until } = row;
  const place = `${part} ${at}`;
  const values = columns.map((_, i) => row[`c${i}`] as Uint8Array | null);
  const kept = rows.get(place) ?? { part, at, until, values, names: columns.map(() => undefined) };
  for (const [i, column] of columns.entries()) if (hers.includes(column)) kept.names[i] = String(row.name);
  rows.set(place, kept);
}

function keptRows(
  { catalogue }: Engine,
  plan: Plan,
  { table }: Step,
  columns: readonly Column[],
  { way, columns: hers }: KeptShare,
): string {
  const chain = joinChain(catalogue, 't', way, plan.rootColumn);
  const rule = rulesOf(catalogue).find((each) => each.table === table);
  const values = columns.map((column, i) => `t.${q(column.name)}::bytea as c${i}`).join(', ');
  const some = hers.map((column) => `t.${q(column.name)} is not null`).join(' or ');
  return `
with root as materialized (select w.name, ${fromName(plan, 'w.name')} from unnest($1::text[]) w(name))
select r.name, ${rule ? dueCondition(rule, 't').day : 'null::date'}::text as until,
       t.tableoid::bigint::text as part, t.ctid::text as at, ${values}
from ${[`${table.sqlName} t`, ...chain.tables, 'root r'].join(', ')}
where ${belongsTo(plan, chain, 'r')} and (${some})
order by t.tableoid, t.ctid for update of t`;
}

function keyIdsOf(kept: readonly KeptTable[]): Uint8Array[] {
  const ids = new Map<string, Uint8Array>();
  for (const bytes of kept.flatMap(({ rows }) =>
    rows.flatMap(({ values, names }) => values.filter((_, i) => names[i])),
  )) {
    if (!bytes) continue;
    const keyId = keyIdOf(bytes);
    if (keyId.some((byte) => byte !== 0)) ids.set(KeyCache.nameOf(keyId), keyId);
  }
  return [...ids.values()];
}

/** One key per person for all that is kept of her, until the last of it leaves. */
async function freshKeys({ keys }: Engine, kept: readonly KeptTable[]): Promise<Map<string, SubjectKey>> {
  const last = new Map<string, string>();
  for (const row of kept.flatMap(({ rows }) => rows)) {
    const until = row.until === null ? 'infinity' : String(row.until);
    // ISO dates order as text, and 'infinity' after them
    for (const name of peopleOf(row)) if (until > (last.get(name) ?? '')) last.set(name, until);
  }
  const fresh = await keys.createUnlinked([...last.values()]);
  return new Map([...last.keys()].map((name, place) => [name, fresh[place] as SubjectKey]));
}

function peopleOf({ names }: KeptRow): Set<string> {
  return new Set(names.filter((name) => name !== undefined));
}

function resealTable(
  { sealer }: Engine,
  kept: KeptTable,
  states: ReadonlyMap<string, KeyState>,
  fresh: ReadonlyMap<string, SubjectKey>,
): unknown[][] {
  const arrays: unknown[][] = [[], [], ...kept.columns.map(() => [])];
  const stateOf = (keyId: Uint8Array): KeyState | undefined => states.get(KeyCache.nameOf(keyId));
  for (const row of kept.rows) {
    const resealed = [...row.values];
    for (const name of peopleOf(row)) {
      const key = fresh.get(name);
      if (!key) continue;
      const hers = kept.columns.map(({ element }, i) => ({
        element,
        bytes: row.names[i] === name ? (row.values[i] ?? null) : null,
      }));
      for (const [i, value] of sealer.resealRow(key, hers, stateOf).entries()) if (value) resealed[i] = value;
    }
    for (const [i, value] of [row.part, row.at, ...resealed].entries()) arrays[i]?.push(value);
  }
  return arrays;
}
