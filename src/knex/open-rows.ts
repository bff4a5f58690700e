/**
 * Opens the sealed values of a result, in place, before Knex shapes it. Values are recognised by their own envelope, so
 * aliases, joins, sub-selects, views and unions need nothing; where RowDescription tells a column's origin it is used as a
 * check (ENVELOPE.md E4). One key query for all subjects of a result.
 */
import { type Element, namesOfLabel } from '../catalogue/model';
import type { Decoded } from '../crypto/codec';
import { isEnvelope, keyIdOf } from '../crypto/envelope';
import { NotSealedError, TamperedError } from '../errors';
import { KeyCache } from '../keyring/key-cache';
import { ResultOpener } from '../keyring/sealer';
import type { Row } from '../queryable';
import type { Connection, Field, QueryResult } from './internals';
import type { Seam } from './seam';

/** A place in the result that holds, or should hold, a sealed value. */
interface Cell {
  readonly row: Row;
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly origin: Element | undefined;
}

export type TypeParsers = Pick<Connection, 'getTypeParser'>;

/** @returns whether anything personal was opened, so that events can be kept free of it */
export async function openResult(
  seam: Seam,
  result: QueryResult | QueryResult[],
  parsers: TypeParsers,
): Promise<boolean> {
  let opened = false;
  for (const each of Array.isArray(result) ? result : [result]) {
    if (!each?.rows?.length) continue;
    const cells = cellsOf(each.rows, originsOf(seam, each.fields));
    opened = (await openCells(seam, cells, parsers)) || opened;
  }
  return opened;
}

/** Opens rows whose fields are not described, as a cursor gives them. */
export async function openRows(seam: Seam, rows: Row[], parsers: TypeParsers): Promise<void> {
  await openCells(seam, cellsOf(rows, undefined), parsers);
}

/** By column name; of several with one name the last, since that is the one whose value `pg` keeps. */
function originsOf(seam: Seam, fields: readonly Field[]): Map<string, Element | undefined> {
  return new Map(fields.map((field) => [field.name, seam.catalogue.elementOfField(field.tableID, field.columnID)]));
}

function cellsOf(rows: readonly Row[], origins: ReadonlyMap<string, Element | undefined> | undefined): Cell[] {
  const cells: Cell[] = [];
  const names = origins ? [...origins.keys()] : Object.keys(rows[0] ?? {});
  for (const name of names) {
    const origin = origins?.get(name);
    if (origin && origin.protect !== 'encrypt') continue;
    for (const row of rows) {
      const bytes = bytesOf(row[name]);
      if (bytes && (origin || isEnvelope(bytes))) cells.push({ row, name, bytes, origin });
    }
  }
  return cells;
}

/** A `bytea` as `pg` gives it, or as text where the application set a type parser of its own for it. */
function bytesOf(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  return typeof value === 'string' && value.startsWith('\\xa70b') ? Buffer.from(value.slice(2), 'hex') : undefined;
}

async function openCells(seam: Seam, cells: readonly Cell[], parsers: TypeParsers): Promise<boolean> {
  if (cells.length === 0) return false;
  const keys = await seam.keys.byId(distinctKeyIds(cells));
  const opener = new ResultOpener(seam.sealer.place);
  try {
    for (const cell of cells) cell.row[cell.name] = openCell(seam, cell, keys, opener, parsers);
  } finally {
    opener.wipe();
  }
  return true;
}

function openCell(
  seam: Seam,
  { bytes, origin }: Cell,
  keys: Awaited<ReturnType<Seam['keys']['byId']>>,
  opener: ResultOpener,
  parsers: TypeParsers,
): unknown {
  const element = origin ?? seam.catalogue.element(elementIdOf(bytes));
  const { table, column } = namesOfLabel(element?.label ?? '');
  if (!isEnvelope(bytes)) return notSealed(bytes, origin, parsers);
  if (!element) throw new TamperedError('SEALED_VALUE_TAMPERED', { table, column });
  const decoded = opener.open(bytes, (keyId) => keys.get(KeyCache.nameOf(keyId)), element.id, { table, column });
  return decoded && applicationValue(decoded, element, parsers);
}

/** The value as this connection's type parsers would have made it from the column's declared type. */
function applicationValue(decoded: Decoded, element: Element, parsers: TypeParsers): unknown {
  return decoded.codec === 'bytes' ? decoded.bytes : parsers.getTypeParser(element.declaredOid, 'text')(decoded.text);
}

/** A row from before the declaration, while its table is in transition; anything else should not be there (E10). */
function notSealed(bytes: Uint8Array, origin: Element | undefined, parsers: TypeParsers): unknown {
  const { table, column } = namesOfLabel(origin?.label ?? '');
  if (origin?.state !== 'transition') throw new NotSealedError('NOT_SEALED', { table, column });
  return parsers.getTypeParser(origin.declaredOid, 'text')(Buffer.from(bytes).toString('utf8'));
}

function elementIdOf(bytes: Uint8Array): number {
  return bytes.length >= 8 ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).readUInt32BE(4) : 0;
}

function distinctKeyIds(cells: readonly Cell[]): Uint8Array[] {
  const ids = new Map<string, Uint8Array>();
  for (const { bytes } of cells) {
    if (!isEnvelope(bytes) || bytes.length < 80) continue;
    const keyId = keyIdOf(bytes);
    if (keyId.some((byte) => byte !== 0)) ids.set(KeyCache.nameOf(keyId), keyId);
  }
  return [...ids.values()];
}
