/**
 * Opens the sealed values of a result, in place, before Knex shapes it. Values are recognised by their own envelope, so
 * aliases, joins, sub-selects, views and unions need nothing; where RowDescription tells a column's origin it is used as a
 * check (ENVELOPE.md E4). One key query for all subjects of a result.
 */
import { type Element, namesOfLabel } from '../catalogue/model';
import { equal, isAllZero } from '../crypto/bytes';
import { elementOf, hasEnvelopeShape, isEnvelope, keyIdOf } from '../crypto/envelope';
import { OVERHEAD } from '../crypto/layout';
import { ConfigurationError, type Names, NotSealedError, TamperedError, UnsupportedQueryError } from '../errors';
import { KeyCache } from '../keyring/key-cache';
import { ResultOpener } from '../keyring/sealer';
import type { KeyState } from '../keyring/subject-keys';
import type { Row } from '../queryable';
import type { Connection, Field, QueryResult } from './internals';
import { isPlainColumn, type NestedPlace, nestedCells } from './nested-values';
import type { Seam } from './seam';

/** A field of the result that holds, or may hold, sealed values, or a part of one; of known origin where it comes from a column. */
type Place = NestedPlace;

interface Cell {
  readonly row: Row;
  readonly place: Place;
  readonly bytes: Uint8Array;
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
  let cells = cellsOf(seam, rows, fields, parsers);
  const unknown = cells.map(({ bytes }) => elementOf(bytes)).filter((id) => id && !seam.catalogue.element(id));
  if (unknown.length > 0) {
    await learn(unknown);
    cells = cellsOf(seam, rows, fields, parsers);
  }
  const ours = cells.filter((cell) => isOurs(seam, cell));
  return openCells(seam, await withoutStrangers(seam, ours), parsers);
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

/** Row by row: values of one row share a derived key. */
function cellsOf(seam: Seam, rows: readonly Row[], fields: readonly Field[], parsers: TypeParsers): Cell[] {
  const places = placesToOpen(seam, rows[0], fields);
  const cells: Cell[] = nestedCells(seam.catalogue, rows, fields, parsers);
  for (const row of rows) {
    for (const place of places) {
      const value = row[place.name as string];
      if (value === null || value === undefined) continue;
      const bytes = bytesOf(value);
      if (bytes && (place.origin || hasEnvelopeShape(bytes))) cells.push({ row, place, bytes });
      else if (place.origin) throw new ConfigurationError('BYTEA_PARSER', namesOfLabel(place.origin.label));
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

async function openCells(seam: Seam, cells: readonly Cell[], parsers: TypeParsers): Promise<boolean> {
  if (cells.length === 0) return false;
  const keys = await seam.keys.byId(distinctKeyIds(cells));
  const opening = new Opening(seam, keys, parsers);
  try {
    for (const cell of cells) cell.row[cell.place.name as string] = opening.open(cell);
  } finally {
    opening.wipe();
  }
  return true;
}

/** An element, with what is the same for all its values in one result. */
interface Plan {
  readonly element: Element;
  readonly names: Names;
  /** This connection's type parser of the column's declared type. */
  readonly parse: (text: string) => unknown;
}

class Opening {
  private readonly plans = new Map<number, Plan>();
  private readonly opener: ResultOpener;

  constructor(
    private readonly seam: Seam,
    keys: ReadonlyMap<string, KeyState>,
    private readonly parsers: TypeParsers,
  ) {
    this.opener = new ResultOpener(seam.sealer.place, (keyId) => keys.get(KeyCache.nameOf(keyId)));
  }

  open({ bytes, place: { origin, render } }: Cell): unknown {
    if (!isEnvelope(bytes)) return this.notSealed(bytes, origin);
    const { element, names, parse } = this.planOf(origin?.id ?? elementOf(bytes));
    const decoded = this.opener.open(bytes, element.id, names);
    if (render) return decoded && render(decoded);
    return decoded && parse(decoded.codec === 'bytes' ? `\\x${decoded.bytes.toString('hex')}` : decoded.text);
  }

  wipe(): void {
    this.opener.wipe();
  }

  private planOf(id: number): Plan {
    const made = this.plans.get(id);
    if (made) return made;
    const element = this.seam.catalogue.element(id);
    if (!element) throw new TamperedError('SEALED_VALUE_TAMPERED', {});
    const parse = this.parsers.getTypeParser(element.declaredOid, 'text');
    const plan = { element, names: namesOfLabel(element.label), parse };
    this.plans.set(id, plan);
    return plan;
  }

  /** A row from before the declaration, while its table is in transition; anything else should not be there (E10). */
  private notSealed(bytes: Uint8Array, origin: Element | undefined): unknown {
    if (origin?.state !== 'transition') throw new NotSealedError('NOT_SEALED', namesOfLabel(origin?.label ?? ''));
    return this.planOf(origin.id).parse(Buffer.from(bytes).toString('utf8'));
  }
}

function distinctKeyIds(cells: readonly Cell[]): Uint8Array[] {
  const ids = new Map<string, Uint8Array>();
  let last: Uint8Array | undefined;
  for (const { bytes, place } of cells) {
    // what is malformed, or of another column, is an error when it is opened, and names no key
    if (!isEnvelope(bytes) || bytes.length < OVERHEAD) continue;
    if (place.origin && place.origin.id !== elementOf(bytes)) continue;
    const keyId = keyIdOf(bytes);
    if (last && equal(last, keyId)) continue;
    last = keyId;
    if (!isAllZero(keyId)) ids.set(KeyCache.nameOf(keyId), keyId);
  }
  return [...ids.values()];
}
