/**
 * What a person is known by, read before she leaves: her values in the plan's own columns, sealed ones opened. They are looked
 * for elsewhere (ERASURE.md L5), stay in this process's memory for that long, and are written nowhere.
 *
 * Telling enough to be looked for is a text of 6 to 256 characters that is an identifier of its own (an account, a device) or has
 * two words, a digit or an @ in it: `Ada Lovelace` and `+33 6 12 34 56 78`, not `Paris` and not `Ada`.
 */
import type { Column, Table } from '../catalogue/model';
import { joinChain } from '../catalogue/path-sql';
import { isEnvelope, keyIdOf } from '../crypto/envelope';
import { KeyCache } from '../keyring/key-cache';
import { ResultOpener } from '../keyring/sealer';
import { type Queryable, quoteIdentifier as q, type Row } from '../queryable';
import type { Engine } from './engine';
import type { Plan } from './plan';
import { lengthOf } from './replacement';
import { belongsTo, fromName } from './root';
import { type Taken, takenBy } from './taken';

/** A value of somebody who leaves. */
export interface Identifier {
  /** As the plan names her. */
  readonly person: string;
  /** The column it was read from: `"public"."users".email`. There, an equal value of another row is a namesake's. */
  readonly source: string;
  readonly text: string;
}

export interface Identifiers {
  readonly all: readonly Identifier[];
  /** Tables of which not every row was read. */
  readonly cutOff: readonly string[];
  /** Tables with a column that this role may not read: a role that only erases. */
  readonly closed: readonly string[];
}

// what is sealed is read with its key
const CLOSED = `
select w.place from unnest($1::oid[], $2::text[], $3::boolean[]) with ordinality w(oid, name, sealed, place)
where not has_column_privilege(w.oid, w.name, 'select')
  or w.sealed and not has_column_privilege('oubli.subject_key'::regclass, 'wrapped', 'select')`;

/** Rows of one table that are read for a chunk: what a person is called stands in the first of them. */
const ROWS_READ = 2_000;

const IDENTIFYING =
  /^(identity\.(name|first_name|last_name|national_id|passport)|contact\.(email|phone|address|handle)|account\.(id|username)|client\.|finance\.(bank_account|payment_card)|connection\.(device|session)|own\.)/;
const ALONE = /^(account|connection)\./;

export function isTelling(text: string, category: string): boolean {
  const { length } = text.trim();
  return length >= 6 && length <= 256 && (ALONE.test(category) || /[\d@]|\S\s+\S/u.test(text.trim()));
}

/** @param names of people who are locked */
export async function identifiersOf(
  engine: Engine,
  plan: Plan,
  connection: Queryable,
  names: readonly string[],
): Promise<Identifiers> {
  const all: Identifier[] = [];
  const cutOff: string[] = [];
  const known = plan.steps.flatMap((step) => takenBy(step).map((taken) => ({ table: step.table, taken })));
  const closed = await closedIn(connection, known);
  for (const { table, taken } of known) {
    const columns = taken.columns.filter((column) => identifies(column) && !closed.has(column));
    if (columns.length === 0) continue;
    const { rows } = await connection.query(statement(engine, plan, table, taken, columns), [names]);
    if (rows.length === ROWS_READ) cutOff.push(table.displayName);
    all.push(...(await readFrom(engine, table, columns, rows)));
  }
  return { all, cutOff, closed: [...new Set(closed.values())] };
}

/** Columns that this role may not read, and the names of their tables. */
async function closedIn(
  connection: Queryable,
  known: readonly { readonly table: Table; readonly taken: Taken }[],
): Promise<Map<Column, string>> {
  const asked = known.flatMap(({ table, taken }) =>
    taken.columns.filter(identifies).map((column) => ({ table, column })),
  );
  const { rows } = await connection.query(CLOSED, [
    asked.map(({ table }) => table.oid),
    asked.map(({ column }) => column.name),
    asked.map(({ column }) => column.element !== undefined),
  ]);
  return new Map(
    rows.flatMap(({ place }) => {
      const found = asked[Number(place) - 1];
      return found ? [[found.column, found.table.displayName] as const] : [];
    }),
  );
}

function identifies({ spec, element, type }: Column): boolean {
  if (!spec || !('category' in spec) || !IDENTIFYING.test(spec.category)) return false;
  return element ? element.protect === 'encrypt' && element.codec === 'text' : lengthOf(type) !== undefined;
}

function statement(
  { catalogue }: Engine,
  plan: Plan,
  table: Table,
  { way }: Taken,
  columns: readonly Column[],
): string {
  const values = columns.map(({ element, name }, i) => `t.${q(name)}::${element ? 'bytea' : 'text'} as c${i}`);
  const chain = joinChain(catalogue, 't', way, plan.rootColumn);
  const from = [`${table.sqlName} t`, ...chain.tables, 'root r'].join(', ');
  return `
with root as materialized (select w.name, ${fromName(plan, 'w.name')} from unnest($1::text[]) w(name))
select r.name, ${values.join(', ')} from ${from} where ${belongsTo(plan, chain, 'r')} limit ${ROWS_READ}`;
}

async function readFrom(
  { keys, sealer }: Engine,
  table: Table,
  columns: readonly Column[],
  rows: readonly Row[],
): Promise<Identifier[]> {
  const states = await keys.byId(keyIdsIn(rows));
  const opener = new ResultOpener(sealer.place, (keyId) => states.get(KeyCache.nameOf(keyId)));
  try {
    return rows.flatMap((row) =>
      columns.flatMap((column, i) => {
        const text = textOf(opener, table, column, row[`c${i}`]);
        const { category } = column.spec as { category: string };
        if (text === undefined || !isTelling(text, category)) return [];
        return [{ person: String(row.name), source: `${table.sqlName}.${column.name}`, text: text.trim() }];
      }),
    );
  } finally {
    opener.wipe();
  }
}

function textOf(opener: ResultOpener, table: Table, { element, name }: Column, value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!(value instanceof Uint8Array)) return undefined;
  // a row from before the declaration, while its table is in transition
  if (element?.state === 'transition' && !isEnvelope(value)) return Buffer.from(value).toString('utf8');
  const decoded = opener.open(value, element?.id, { table: table.name, column: name });
  return decoded?.codec === 'text' ? decoded.text : undefined;
}

function keyIdsIn(rows: readonly Row[]): Uint8Array[] {
  const ids = new Map<string, Uint8Array>();
  for (const value of rows.flatMap((row) => Object.values(row))) {
    if (!(value instanceof Uint8Array) || !isEnvelope(value)) continue;
    const keyId = keyIdOf(value);
    if (keyId.some((byte) => byte !== 0)) ids.set(KeyCache.nameOf(keyId), keyId);
  }
  return [...ids.values()];
}
