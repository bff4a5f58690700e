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
  readonly rows: readonly Row[];
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
    const { rows } = await connection.query(keptRows(engine, plan, step, columns), [names]);
    kept.push({ table: step.table, columns, rows });
  }
  const states = await engine.keys.byId(keyIdsOf(kept));
  const fresh = await freshKeys(engine, kept);
  return {
    tables: kept.map(({ table, columns }) => ({ table, columns: columns.map((column) => column.name) })),
    retained: names.map((name) => fresh.get(name)?.keyId ?? null),
    parameters: kept.flatMap((each) => resealTable(engine, each, states, fresh)),
  };
}

export function sealedColumns(table: Table): Column[] {
  return [...table.columns.values()].filter((column) => column.element?.protect === 'encrypt');
}

function keptRows({ catalogue }: Engine, plan: Plan, { table, ways }: Step, columns: readonly Column[]): string {
  const chain = joinChain(catalogue, 't', ways[0] ?? [], plan.rootColumn);
  const rule = rulesOf(catalogue).find((each) => each.table === table);
  const values = columns.map((column, i) => `t.${q(column.name)}::bytea as c${i}`).join(', ');
  const some = columns.map((column) => `t.${q(column.name)} is not null`).join(' or ');
  return `
with root as materialized (select w.name, ${fromName(plan, 'w.name')} from unnest($1::text[]) w(name))
select r.name, ${rule ? dueCondition(rule, 't').day : 'null::date'}::text as until,
       t.tableoid::bigint::text as part, t.ctid::text as at, ${values}
from ${[`${table.sqlName} t`, ...chain.tables, 'root r'].join(', ')}
where ${belongsTo(plan, chain, 'r')} and (${some})
for update of t`;
}

function keyIdsOf(kept: readonly KeptTable[]): Uint8Array[] {
  const ids = new Map<string, Uint8Array>();
  for (const bytes of kept.flatMap(({ rows, columns }) => rows.flatMap((row) => columns.map((_, i) => row[`c${i}`])))) {
    if (!(bytes instanceof Uint8Array)) continue;
    const keyId = keyIdOf(bytes);
    if (keyId.some((byte) => byte !== 0)) ids.set(KeyCache.nameOf(keyId), keyId);
  }
  return [...ids.values()];
}

/** One key per person for all that is kept of her, until the last of it leaves. */
async function freshKeys({ keys }: Engine, kept: readonly KeptTable[]): Promise<Map<string, SubjectKey>> {
  const last = new Map<string, string>();
  for (const row of kept.flatMap(({ rows }) => rows)) {
    const name = String(row.name);
    const until = row.until === null ? 'infinity' : String(row.until);
    if (until > (last.get(name) ?? '')) last.set(name, until); // ISO dates order as text, and 'infinity' after them
  }
  const fresh = await keys.createUnlinked([...last.values()]);
  return new Map([...last.keys()].map((name, place) => [name, fresh[place] as SubjectKey]));
}

function resealTable(
  { sealer }: Engine,
  kept: KeptTable,
  states: ReadonlyMap<string, KeyState>,
  fresh: ReadonlyMap<string, SubjectKey>,
): unknown[][] {
  const arrays: unknown[][] = [[], [], ...kept.columns.map(() => [])];
  for (const row of kept.rows) {
    const key = fresh.get(String(row.name));
    if (!key) continue;
    const values = kept.columns.map(({ element }, i) => ({ element, bytes: row[`c${i}`] as Uint8Array | null }));
    const resealed = sealer.resealRow(key, values, (keyId) => states.get(KeyCache.nameOf(keyId)));
    for (const [i, value] of [row.part, row.at, ...resealed].entries()) arrays[i]?.push(value);
  }
  return arrays;
}
