/**
 * Rows that the law obliges to keep outlive their person's key: their values are sealed anew under a key of their own, which
 * belongs to no living subject and is destroyed on the day the last of these rows leaves.
 */
import type { Catalogue, Column, Table } from '../catalogue/model';
import { joinChain } from '../catalogue/path-sql';
import { keyIdOf } from '../crypto/envelope';
import { KeyCache } from '../keyring/key-cache';
import type { Sealer } from '../keyring/sealer';
import type { KeyState, SubjectKeys } from '../keyring/subject-keys';
import { type Queryable, quoteIdentifier as q, type Row } from '../queryable';
import { dueCondition } from './due';
import type { ResealedTable } from './erasure-statement';
import { rootType } from './erasure-statement';
import type { Plan } from './plan';
import { rulesOf } from './rule';

export interface Resealed {
  readonly tables: readonly ResealedTable[];
  /** One array per `$n` of the statement, in order. */
  readonly parameters: readonly unknown[][];
}

interface KeptTable {
  readonly table: Table;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
}

/** Opens and seals what is kept of these people; nothing is written yet. */
export async function resealKept(
  catalogue: Catalogue,
  plan: Plan,
  connection: Queryable,
  keys: SubjectKeys,
  sealer: Sealer,
  ids: readonly string[],
): Promise<Resealed> {
  const kept = await readKept(catalogue, plan, connection, ids);
  const states = await keys.byId(keyIdsOf(kept));
  const fresh = await freshKeys(kept, keys);
  return {
    tables: kept.map(({ table, columns }) => ({ table, columns: columns.map((column) => column.name) })),
    parameters: kept.flatMap((each) => resealTable(each, sealer, states, fresh)),
  };
}

async function readKept(
  catalogue: Catalogue,
  plan: Plan,
  connection: Queryable,
  ids: readonly string[],
): Promise<KeptTable[]> {
  const kept: KeptTable[] = [];
  for (const { table, action, hops } of plan.steps) {
    const columns = [...table.columns.values()].filter((column) => column.element?.protect === 'encrypt');
    if (action !== 'keep' || columns.length === 0) continue;
    const chain = joinChain(catalogue, 't', hops, plan.rootColumn);
    const rule = rulesOf(catalogue).find((each) => each.table === table);
    const { rows } = await connection.query(
      `select t.ctid::text as at, ${chain.root}::text as subject, ${rule ? dueCondition(rule, 't').day : 'null::date'}::text as until,
              ${columns.map((column, i) => `t.${q(column.name)}::bytea as c${i}`).join(', ')}
       from ${[`${table.sqlName} t`, ...chain.tables].join(', ')}
       where ${[...chain.conditions, `${chain.root} = any($1::${rootType(plan)}[])`].join(' and ')}
         and (${columns.map((column) => `t.${q(column.name)} is not null`).join(' or ')})
       for update of t`,
      [ids],
    );
    kept.push({ table, columns, rows });
  }
  return kept;
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

type FreshKeys = Map<string, Awaited<ReturnType<SubjectKeys['createUnlinked']>>>;

/** One key per person for all that is kept of her, until the last of it leaves. */
async function freshKeys(kept: readonly KeptTable[], keys: SubjectKeys): Promise<FreshKeys> {
  const last = new Map<string, string>();
  for (const row of kept.flatMap(({ rows }) => rows)) {
    const subject = String(row.subject);
    const until = row.until === null ? 'infinity' : String(row.until);
    if (until > (last.get(subject) ?? '')) last.set(subject, until); // ISO dates order as text, and 'infinity' after them
  }
  const fresh: FreshKeys = new Map();
  for (const [subject, until] of last) fresh.set(subject, await keys.createUnlinked(until));
  return fresh;
}

function resealTable(
  kept: KeptTable,
  sealer: Sealer,
  states: ReadonlyMap<string, KeyState>,
  fresh: FreshKeys,
): unknown[][] {
  const arrays: unknown[][] = [[], ...kept.columns.map(() => [])];
  for (const row of kept.rows) {
    const key = fresh.get(String(row.subject));
    if (!key) continue;
    const values = kept.columns.map((column, i) => ({
      element: column.element,
      bytes: row[`c${i}`] as Uint8Array | null,
    }));
    const resealed = sealer.resealRow(key, values, (keyId) => states.get(KeyCache.nameOf(keyId)));
    arrays[0]?.push(row.at);
    for (const [i, bytes] of resealed.entries()) arrays[i + 1]?.push(bytes);
  }
  return arrays;
}
