/**
 * The rows that an end moves to the archive, read and sealed before the statement that takes them away (ERASURE.md R1): each
 * person's under one key that is made for this move and opens nothing else, so no living person's key opens her archive.
 */
import { byteaArray } from '../../bytea-array';
import type { Catalogue, Column } from '../../catalogue/model';
import { joinChain } from '../../catalogue/path-sql';
import { pathsToSubject } from '../../catalogue/subject-path';
import { isEnvelope, keyIdOf } from '../../crypto/envelope';
import { NotSealedError } from '../../errors';
import { KeyCache } from '../../keyring/key-cache';
import { ResultOpener } from '../../keyring/sealer';
import type { SubjectKey } from '../../keyring/subject-keys';
import { quoteLiteral as literal, type Queryable, quoteIdentifier as q, type Row } from '../../queryable';
import type { Engine } from '../engine';
import type { Plan } from '../plan';
import { belongsTo, fromName } from '../root';
import type { Step } from '../step';
import { type ArchivedColumns, archivedId, sealArchived, textOf } from './row';
import { type ArchiveRule, archivedColumns, archiveRuleOf, endOfArchive } from './rule';

/** Which of the seven arrays hold bytes: keys, subjects, sealed values. */
const BYTES = new Set([3, 4, 6]);

/** What leaves for the archive in one step of a plan. */
interface Leaving {
  readonly rule: ArchiveRule;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
}

/**
 * Seals what goes to the archive; nothing is written yet but fresh keys.
 * @returns for each step that archives its seven arrays of one length, as `archiveBranches` takes them
 */
export async function sealMoved(
  engine: Engine,
  plan: Plan,
  connection: Queryable,
  names: readonly string[],
): Promise<unknown[]> {
  const leaving: Leaving[] = [];
  for (const step of plan.steps) {
    const rule = step.action === 'archive' ? archiveRuleOf(step.table) : undefined;
    if (rule) leaving.push(await readRows(engine.catalogue, plan, connection, names, step, rule));
  }
  if (leaving.length === 0) return [];
  const states = await engine.keys.byId(keyIdsOf(leaving));
  const fresh = await freshKeys(engine, leaving);
  const opener = new ResultOpener(engine.sealer.place, (keyId) => states.get(KeyCache.nameOf(keyId)));
  try {
    return leaving.flatMap((each) => sealRows(engine, each, opener, fresh));
  } finally {
    opener.wipe();
    for (const { dek } of fresh.values()) dek.fill(0);
  }
}

/** A row once, by whichever way it was found. */
async function readRows(
  catalogue: Catalogue,
  plan: Plan,
  connection: Queryable,
  names: readonly string[],
  { ways }: Step,
  rule: ArchiveRule,
): Promise<Leaving> {
  const columns = archivedColumns(rule);
  const found = new Map<string, Row>();
  for (const way of ways) {
    const { rows } = await connection.query(leavingRows(catalogue, plan, way, rule, columns), [names]);
    for (const row of rows) found.set(`${row.part} ${row.at}`, row);
  }
  return { rule, columns, rows: [...found.values()] };
}

function leavingRows(
  catalogue: Catalogue,
  plan: Plan,
  way: Step['ways'][number],
  rule: ArchiveRule,
  columns: readonly Column[],
): string {
  const chain = joinChain(catalogue, 't', way, plan.rootColumn);
  const { join, end } = endOfArchive(rule, 't');
  const values = columns.map((column, i) => `${valueIn(column)} as c${i}`);
  const person = plan.kind === undefined ? personOf(catalogue, rule) : named(plan.kind, 'r.name');
  const from = [`${rule.table.sqlName} t ${join}`, ...chain.tables, 'root r'].join(', ');
  return `
with root as materialized (select w.name, ${fromName(plan, 'w.name')} from unnest($1::text[]) w(name))
select ${[`${person} as person`, `(${end})::text as until`, 't.tableoid::bigint::text as part', 't.ctid::text as at', ...values].join(', ')}
from ${from} where ${belongsTo(plan, chain, 'r')}
order by t.tableoid, t.ctid for update of t`;
}

/** PostgreSQL's own output form of what is in clear; a cast to text is another one for some types. */
function valueIn({ name, element }: Column): string {
  const value = `t.${q(name)}`;
  return element?.protect === 'encrypt'
    ? `${value}::bytea`
    : `case when ${value} is not null then format('%s', ${value}) end`;
}

/**
 * Whose a row is that has reached its own date, as kind and id: asked for each row, because the person lives and may have several.
 * Where another column says of which kind she is, one of the ways leads to somebody.
 */
function personOf(catalogue: Catalogue, { table }: ArchiveRule): string {
  const ways = pathsToSubject(catalogue, table).map(({ kind, hops, subjectColumn }) => {
    const chain = joinChain(catalogue, 't', hops, subjectColumn);
    const from = chain.tables.length > 0 ? ` from ${chain.tables.join(', ')}` : '';
    const where = chain.conditions.length > 0 ? ` where ${chain.conditions.join(' and ')}` : '';
    return `(select ${named(kind, chain.root)}${from}${where})`;
  });
  return `coalesce(${ways.join(', ')})`;
}

/** A kind is one word. */
function named(kind: string, id: string): string {
  return `${literal(`${kind} `)} || ${id}::text`;
}

function keyIdsOf(leaving: readonly Leaving[]): Uint8Array[] {
  const ids = new Map<string, Uint8Array>();
  for (const { columns, rows } of leaving) {
    for (const row of rows) {
      for (const i of columns.keys()) {
        const bytes = row[`c${i}`];
        if (!(bytes instanceof Uint8Array) || !isEnvelope(bytes)) continue;
        const keyId = keyIdOf(bytes);
        if (keyId.some((byte) => byte !== 0)) ids.set(KeyCache.nameOf(keyId), keyId);
      }
    }
  }
  return [...ids.values()];
}

/** What the key store says of a key until its move is committed, so that those of moves that were rolled back are swept. */
const LONG_PAST = '-infinity';

/** One a person and move; rows that lead to nobody share one. */
async function freshKeys({ keys }: Engine, leaving: readonly Leaving[]): Promise<Map<string, SubjectKey>> {
  const people = [...new Set(leaving.flatMap(({ rows }) => rows.map(personIn)))];
  const fresh = await keys.createUnlinked(people.map(() => LONG_PAST));
  return new Map(people.map((person, place) => [person, fresh[place] as SubjectKey]));
}

/** Her kind and her id; nothing where a row leads to nobody. */
function personIn({ person }: Row): string {
  return person === null ? '' : String(person);
}

function sealRows(
  { keys, sealer }: Engine,
  { rule, columns, rows }: Leaving,
  opener: ResultOpener,
  fresh: ReadonlyMap<string, SubjectKey>,
): unknown[] {
  const arrays: unknown[][] = [[], [], [], [], [], [], []];
  for (const row of rows) {
    const person = personIn(row);
    const key = fresh.get(person) as SubjectKey;
    const name = { source: rule.table.displayName, id: archivedId() };
    const sealed = sealArchived(sealer, key, name, opened(opener, rule, columns, row));
    const [kind = '', id] = person.split(/ (.*)/s);
    const subject = id === undefined ? null : keys.referenceOf(kind, id);
    const values = [row.part, row.at, name.id, key.keyId, subject, row.until, sealed];
    for (const [i, value] of values.entries()) arrays[i]?.push(value);
  }
  return arrays.map((array, i) => (BYTES.has(i) ? byteaArray(array as (Uint8Array | null)[]) : array));
}

function opened(opener: ResultOpener, { table }: ArchiveRule, columns: readonly Column[], row: Row): ArchivedColumns {
  return Object.fromEntries(
    columns.map((column, i) => [column.name, textIn(opener, table.name, column, row[`c${i}`])]),
  );
}

function textIn(opener: ResultOpener, table: string, { name, element }: Column, value: unknown): string | null {
  if (!(value instanceof Uint8Array)) return (value as string | null) ?? null;
  const names = { table, column: name };
  if (isEnvelope(value)) return textOf(opener.open(value, element?.id, names));
  // a row from before the declaration, while its table is in transition
  if (element?.state === 'transition') return Buffer.from(value).toString('utf8');
  throw new NotSealedError('NOT_SEALED', names);
}
