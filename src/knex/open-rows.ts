/**
 * Opens the sealed values of a result, in place, before Knex shapes it. Values are recognised by their own envelope, so
 * aliases, joins, sub-selects, views and unions need nothing; where RowDescription tells a column's origin it is used as a
 * check (ENVELOPE.md E4). One key query for all subjects of a result.
 */
import { type Element, namesOfLabel } from '../catalogue/model';
import { isAllZero } from '../crypto/bytes';
import { elementOf, hasEnvelopeShape, keyIdOf } from '../crypto/envelope';
import { ConfigurationError, UnsupportedQueryError } from '../errors';
import { KeyCache } from '../keyring/key-cache';
import type { Admit } from '../keyring/scopes';
import type { Row } from '../queryable';
import type { Field, QueryResult } from './internals';
import { KeysToFetch } from './keys-to-fetch';
import { isPlainColumn, type NestedPlace, nestedCells } from './nested-values';
import { Opening, type TypeParsers } from './opening';
import type { Seam } from './seam';

/** A field of the result that holds, or may hold, sealed values, or a part of one; of known origin where it comes from a column. */
type Place = NestedPlace;

interface Cell {
  readonly row: Row;
  readonly place: Place;
  readonly bytes: Uint8Array;
}

const BYTEA = 17;

/** Learns of elements that another process declared since this one loaded its catalogue. */
export type Learn = (elements: readonly number[]) => Promise<void>;

/** How a result is read. */
export interface Reading {
  readonly parsers: TypeParsers;
  readonly learn: Learn;
  /** Whether so much may be opened. */
  readonly admit: Admit;
}

/** @returns whether anything personal was opened, so that events can be kept free of it */
export async function openResult(seam: Seam, result: QueryResult | QueryResult[], reading: Reading): Promise<boolean> {
  let opened = false;
  for (const each of Array.isArray(result) ? result : [result]) {
    if (!each?.rows?.length) continue;
    opened = (await openRows(seam, each.rows, each.fields, reading)) || opened;
  }
  return opened;
}

/** Opens rows of a result, or some of a cursor's. */
export async function openRows(
  seam: Seam,
  rows: readonly Row[],
  fields: readonly Field[],
  { parsers, learn, admit }: Reading,
): Promise<boolean> {
  let found = find(seam, rows, fields, parsers);
  if (found.unknown.size > 0) {
    await learn([...found.unknown]);
    found = find(seam, rows, fields, parsers);
  }
  if (found.cells.length === 0 && found.values === 0) return false;
  const cells = await withoutStrangers(
    seam,
    found.cells.filter((cell) => isOurs(seam, cell)),
  );
  for (const { bytes, place } of cells) found.keys.note(bytes, place.origin);
  if (cells.length === 0 && found.values === 0) return false;
  await admit(found.keys.named);
  await openFound(seam, rows, { ...found, cells }, parsers);
  return true;
}

/** What there is to open in some rows. */
interface Found {
  /** Columns of the result that are sealed columns of tables: nearly all there ever is, and gone through without more ado. */
  readonly columns: readonly SealedColumn[];
  /** How many values stand in those. */
  readonly values: number;
  /** Everything else. */
  readonly cells: readonly Cell[];
  /** The keys of `columns`. */
  readonly keys: KeysToFetch;
  /** Elements that the catalogue does not know. */
  readonly unknown: ReadonlySet<number>;
}

interface SealedColumn {
  readonly name: string | number;
  readonly origin: Element;
}

function find(seam: Seam, rows: readonly Row[], fields: readonly Field[], parsers: TypeParsers): Found {
  const places = placesToOpen(seam, rows[0], fields);
  const columns = places.filter((place): place is SealedColumn => place.origin !== undefined);
  const cells = cellsOf(
    seam,
    rows,
    fields,
    parsers,
    places.filter(({ origin }) => !origin),
  );
  const keys = new KeysToFetch();
  const elements = new Set(cells.map(({ bytes }) => elementOf(bytes)));
  let values = 0;
  for (const row of rows) {
    for (const { name, origin } of columns) {
      const bytes = sealedBytes(row[name as string], origin);
      if (!bytes) continue;
      values++;
      if (!keys.note(bytes, origin)) elements.add(elementOf(bytes));
    }
  }
  return { columns, values, cells, keys, unknown: unknownOf(seam, elements) };
}

function unknownOf(seam: Seam, elements: ReadonlySet<number>): Set<number> {
  return new Set([...elements].filter((id) => id && !seam.catalogue.element(id)));
}

/** Without texts that look like ours and name no key that there is, or ever was. */
async function withoutStrangers(seam: Seam, cells: readonly Cell[]): Promise<readonly Cell[]> {
  const texts = cells.filter(({ place, bytes }) => place.render && (place.isPart || !isAllZero(keyIdOf(bytes))));
  if (texts.length === 0) return cells;
  const known = await seam.keys.among(texts.map(({ bytes }) => keyIdOf(bytes)));
  const strange = new Set(texts.filter(({ bytes }) => !known.has(KeyCache.nameOf(keyIdOf(bytes)))));
  const ours = cells.filter((cell) => !strange.has(cell));
  const part = ours.find(({ place }) => place.isPart);
  if (part) throw partOfText(seam, part);
  return ours;
}

function partOfText(seam: Seam, { bytes }: Cell): UnsupportedQueryError {
  const { label } = seam.catalogue.element(elementOf(bytes)) as Element;
  return new UnsupportedQueryError('SEALED_IN_TEXT', namesOfLabel(label));
}

/** Bytes of unknown origin that name no element are somebody else's, whatever they look like. */
function isOurs(seam: Seam, { place, bytes }: Cell): boolean {
  return place.origin !== undefined || seam.catalogue.element(elementOf(bytes))?.protect === 'encrypt';
}

/** What may be sealed though no column says so. */
function cellsOf(
  seam: Seam,
  rows: readonly Row[],
  fields: readonly Field[],
  parsers: TypeParsers,
  places: readonly Place[],
): Cell[] {
  const cells: Cell[] = nestedCells(seam.catalogue, rows, fields, parsers);
  if (places.length === 0) return cells;
  for (const row of rows) {
    for (const place of places) {
      const bytes = bytesOf(row[place.name as string]);
      if (bytes && hasEnvelopeShape(bytes)) cells.push({ row, place, bytes });
    }
  }
  return cells;
}

/** @throws ConfigurationError when the application reads `bytea` as something of its own */
function sealedBytes(value: unknown, origin: Element): Uint8Array | undefined {
  if (value === null || value === undefined) return undefined;
  const bytes = bytesOf(value);
  if (!bytes) throw new ConfigurationError('BYTEA_PARSER', namesOfLabel(origin.label));
  return bytes;
}

/**
 * Where sealed values may stand. A field that comes from a column of the catalogue is what that column is, and nothing else is
 * looked into: whoever can write bytes into an unprotected column must not be able to make its rows unreadable. What comes from
 * an expression is looked into, and is a sealed value only if it is one from the first byte to the last. Of several
 * fields with one name the last counts, since that is the one whose value `pg` keeps.
 */
function placesToOpen(seam: Seam, row: Row | undefined, fields: readonly Field[]): readonly Place[] {
  const places = new Map<string | number, Place>();
  const byPosition = Array.isArray(row);
  fields.forEach((field, position) => {
    const name = byPosition ? position : field.name;
    const column = seam.catalogue.columnOfField(field.tableID, field.columnID);
    const origin = column?.element;
    const mayBeSealed = origin
      ? origin.protect === 'encrypt'
      : field.dataTypeID === BYTEA && !isPlainColumn(seam.catalogue, field);
    if (mayBeSealed) places.set(name, { name, origin });
    else places.delete(name);
  });
  return [...places.values()];
}

/** A `bytea` as `pg` gives it, or as text where the application set a type parser of its own for it. */
function bytesOf(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  return typeof value === 'string' && value.startsWith('\\x') ? Buffer.from(value.slice(2), 'hex') : undefined;
}

/** Row by row: values of one row share a derived key. */
async function openFound(
  seam: Seam,
  rows: readonly Row[],
  { columns, cells, keys }: Found,
  parsers: TypeParsers,
): Promise<void> {
  const opening = new Opening(seam, await seam.keys.byName(keys.named), parsers);
  try {
    for (const row of rows) {
      for (const { name, origin } of columns) {
        const bytes = sealedBytes(row[name as string], origin);
        if (bytes) row[name as string] = opening.open(bytes, origin);
      }
    }
    for (const { row, place, bytes } of cells)
      row[place.name as string] = opening.open(bytes, place.origin, place.render);
  } finally {
    opening.wipe();
  }
}
