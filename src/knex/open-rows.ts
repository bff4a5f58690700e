/**
 * Opens the sealed values of a result, in place, before Knex shapes it. Values are recognised by their own envelope, so
 * aliases, joins, sub-selects, views and unions need nothing; where RowDescription tells a column's origin it is used as a
 * check (ENVELOPE.md E4). One key query for all subjects of a result.
 */
import { type Element, namesOfLabel } from '../catalogue/model';
import type { Decoded } from '../crypto/codec';
import { elementOf, hasEnvelopeShape, isEnvelope, keyIdOf, OVERHEAD } from '../crypto/envelope';
import { ConfigurationError, NotSealedError, TamperedError } from '../errors';
import { KeyCache } from '../keyring/key-cache';
import { ResultOpener } from '../keyring/sealer';
import type { Row } from '../queryable';
import type { Connection, Field, QueryResult } from './internals';
import type { Seam } from './seam';

/** A place in the result that holds, or should hold, a sealed value. */
interface Cell {
  readonly row: Row;
  readonly name: string | number;
  readonly bytes: Uint8Array;
  readonly origin: Element | undefined;
}

export type TypeParsers = Pick<Connection, 'getTypeParser'>;

const BYTEA = 17;

/** Learns of elements that another process declared since this one loaded its catalogue. */
export type Learn = (elements: readonly number[]) => Promise<void>;

/** @returns whether anything personal was opened, so that events can be kept free of it */
export async function openResult(
  seam: Seam,
  result: QueryResult | QueryResult[],
  parsers: TypeParsers,
  learn: Learn,
): Promise<boolean> {
  let opened = false;
  for (const each of Array.isArray(result) ? result : [result]) {
    if (!each?.rows?.length) continue;
    opened = (await openRows(seam, each.rows, each.fields, parsers, learn)) || opened;
  }
  return opened;
}

/** Opens rows of a result, or some of a cursor's. */
export async function openRows(
  seam: Seam,
  rows: readonly Row[],
  fields: readonly Field[],
  parsers: TypeParsers,
  learn: Learn,
): Promise<boolean> {
  let cells = cellsOf(seam, rows, fields);
  const unknown = cells.map(({ bytes }) => elementOf(bytes)).filter((id) => id && !seam.catalogue.element(id));
  if (unknown.length > 0) {
    await learn(unknown);
    cells = cellsOf(seam, rows, fields);
  }
  return openCells(
    seam,
    cells.filter((cell) => isOurs(seam, cell)),
    parsers,
  );
}

/** Bytes of unknown origin that name no element are somebody else's, whatever they look like. */
function isOurs(seam: Seam, { origin, bytes }: Cell): boolean {
  return origin !== undefined || seam.catalogue.element(elementOf(bytes))?.protect === 'encrypt';
}

function cellsOf(seam: Seam, rows: readonly Row[], fields: readonly Field[]): Cell[] {
  const cells: Cell[] = [];
  for (const [name, origin] of placesToOpen(seam, rows[0], fields)) {
    for (const row of rows) {
      const value = row[name as string];
      const bytes = bytesOf(value);
      if (bytes && (origin || hasEnvelopeShape(bytes))) cells.push({ row, name, bytes, origin });
      else if (origin && value !== null && value !== undefined)
        throw new ConfigurationError('BYTEA_PARSER', namesOfLabel(origin.label));
    }
  }
  return cells;
}

/**
 * Where sealed values may stand. A field that comes from a column of the catalogue is what that column is, and nothing else is
 * looked into: whoever can write bytes into an unprotected column must not be able to make its rows unreadable. What comes from
 * an expression is looked into, and is a sealed value only if it is one from the first byte to the last. Of several
 * fields with one name the last counts, since that is the one whose value `pg` keeps.
 */
function placesToOpen(
  seam: Seam,
  row: Row | undefined,
  fields: readonly Field[],
): ReadonlyMap<string | number, Element | undefined> {
  const places = new Map<string | number, Element | undefined>();
  const byPosition = Array.isArray(row);
  fields.forEach((field, position) => {
    const place = byPosition ? position : field.name;
    const column = seam.catalogue.columnOfField(field.tableID, field.columnID);
    const origin = column?.element;
    const mayBeSealed = column ? origin?.protect === 'encrypt' : field.dataTypeID === BYTEA;
    if (mayBeSealed) places.set(place, origin);
    else places.delete(place);
  });
  return places;
}

/** A `bytea` as `pg` gives it, or as text where the application set a type parser of its own for it. */
function bytesOf(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  return typeof value === 'string' && value.startsWith('\\x') ? Buffer.from(value.slice(2), 'hex') : undefined;
}

async function openCells(seam: Seam, cells: readonly Cell[], parsers: TypeParsers): Promise<boolean> {
  if (cells.length === 0) return false;
  const keys = await seam.keys.byId(distinctKeyIds(cells));
  const opener = new ResultOpener(seam.sealer.place);
  try {
    for (const cell of cells) cell.row[cell.name as string] = openCell(seam, cell, keys, opener, parsers);
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
  const element = origin ?? seam.catalogue.element(elementOf(bytes));
  const { table, column } = namesOfLabel(element?.label ?? '');
  if (!isEnvelope(bytes)) return notSealed(bytes, origin, parsers);
  if (!element) throw new TamperedError('SEALED_VALUE_TAMPERED', { table, column });
  const decoded = opener.open(bytes, (keyId) => keys.get(KeyCache.nameOf(keyId)), element.id, { table, column });
  return decoded && applicationValue(decoded, element, parsers);
}

/** The value as this connection's type parsers would have made it from the column's declared type. */
function applicationValue(decoded: Decoded, element: Element, parsers: TypeParsers): unknown {
  const text = decoded.codec === 'bytes' ? `\\x${decoded.bytes.toString('hex')}` : decoded.text;
  return parsers.getTypeParser(element.declaredOid, 'text')(text);
}

/** A row from before the declaration, while its table is in transition; anything else should not be there (E10). */
function notSealed(bytes: Uint8Array, origin: Element | undefined, parsers: TypeParsers): unknown {
  const { table, column } = namesOfLabel(origin?.label ?? '');
  if (origin?.state !== 'transition') throw new NotSealedError('NOT_SEALED', { table, column });
  return parsers.getTypeParser(origin.declaredOid, 'text')(Buffer.from(bytes).toString('utf8'));
}

function distinctKeyIds(cells: readonly Cell[]): Uint8Array[] {
  const ids = new Map<string, Uint8Array>();
  for (const { bytes, origin } of cells) {
    // what is malformed, or of another column, is an error when it is opened, and names no key
    if (!isEnvelope(bytes) || bytes.length < OVERHEAD || (origin && origin.id !== elementOf(bytes))) continue;
    const keyId = keyIdOf(bytes);
    if (keyId.some((byte) => byte !== 0)) ids.set(KeyCache.nameOf(keyId), keyId);
  }
  return [...ids.values()];
}
