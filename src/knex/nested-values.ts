/**
 * Sealed values that PostgreSQL put inside another value: into an array, into JSON, into text. RowDescription says nothing of
 * those, so they are recognised by their own envelope. Text is what strangers write, too: there a value is ours only if it also
 * names a key of ours, which nobody can guess, so that no words in a plain column make a row unreadable.
 */
import type { Catalogue, Element } from '../catalogue/model';
import type { Decoded } from '../crypto/codec';
import { hasEnvelopeShape } from '../crypto/envelope';
import type { Row } from '../queryable';
import type { Field } from './internals';

/** A place inside a value: the array or the object that holds it, and where. */
export interface NestedCell {
  readonly row: Row;
  readonly place: NestedPlace;
  readonly bytes: Uint8Array;
}

export interface NestedPlace {
  readonly name: string | number;
  readonly origin: Element | undefined;
  /** What stands there once it is open, where that is not the declared type's own value. */
  readonly render?: (decoded: Decoded) => unknown;
  /** A sealed value, or the beginning of one, in the middle of a text: nothing can be put in its place. */
  readonly isPart?: boolean;
}

type Parsers = { getTypeParser(oid: number, format: 'text'): (text: string) => unknown };

const BYTEA = 17;
const BYTEA_ARRAY = 1001;
const JSON_TYPES = new Set([114, 3802, 199, 3807]);

/** Magic, suite, flags, element, blind index and key id of a searchable value, in hex. */
const LEAST = 80;
const SEALED_HEX = new RegExp(`a70b01[0-9a-f]{${LEAST - 6},}`, 'gi');
const WHOLE = /^\\x((?:[0-9a-f]{2})+)$/i;

/**
 * Whether a field is what some column of a table holds, so that nothing else is looked for in it. A view's column of no element
 * may be any expression over one.
 */
export function isPlainColumn(catalogue: Catalogue, field: Field): boolean {
  const column = catalogue.columnOfField(field.tableID, field.columnID);
  return column !== undefined && column.element === undefined && !catalogue.table(field.tableID)?.isView;
}

/** Where in rows sealed values stand inside others. Arrays that `pg` left as text, not knowing our types, are parsed in place. */
export function nestedCells(
  catalogue: Catalogue,
  rows: readonly Row[],
  fields: readonly Field[],
  parsers: Parsers,
): NestedCell[] {
  const cells: NestedCell[] = [];
  if (!fields.some((field) => mayHoldSealed(catalogue, field))) return cells;
  const byPosition = Array.isArray(rows[0]);
  // of several fields with one name the last counts
  const named = new Map(fields.map((field, position) => [String(byPosition ? position : field.name), field]));
  named.forEach((field, name) => {
    if (!mayHoldSealed(catalogue, field)) return;
    const element = catalogue.elementOfDomainArray(field.dataTypeID);
    const origin = element?.protect === 'encrypt' ? element : undefined;
    const nested = new NestedIn(cells, origin, JSON_TYPES.has(field.dataTypeID) ? asJson : asText);
    for (const row of rows) {
      if (element && typeof row[name] === 'string') {
        row[name] = parsers.getTypeParser(origin ? BYTEA_ARRAY : TEXT_ARRAY, 'text')(row[name] as string);
      }
      nested.look(row, name, field.dataTypeID);
    }
  });
  return cells;
}

/** Neither a column's own value nor bytes, which are looked at by themselves. */
function mayHoldSealed(catalogue: Catalogue, field: Field): boolean {
  if (field.dataTypeID === BYTEA) return false;
  if (catalogue.elementOfDomainArray(field.dataTypeID)) return true;
  const column = catalogue.columnOfField(field.tableID, field.columnID);
  return !column?.element && !isPlainColumn(catalogue, field);
}

const TEXT_ARRAY = 1009;

/** Looks through one value of a row. */
class NestedIn {
  constructor(
    private readonly cells: NestedCell[],
    private readonly origin: Element | undefined,
    private readonly render: (decoded: Decoded) => unknown,
  ) {}

  look(row: Row, name: string | number, type: number): void {
    const value = row[name as string];
    if (typeof value === 'string') this.text(row, name, value);
    else if (value instanceof Uint8Array) this.bytes(row, name, value);
    else if (Array.isArray(value)) for (const place of value.keys()) this.look(value as never, place, type);
    else if (typeof value === 'object' && value !== null && JSON_TYPES.has(type)) this.object(value as Row, type);
  }

  private bytes(row: Row, name: string | number, bytes: Uint8Array): void {
    if (this.origin || hasEnvelopeShape(bytes)) this.cells.push({ row, place: { name, origin: this.origin }, bytes });
  }

  private object(value: Row, type: number): void {
    for (const key of Object.keys(value)) {
      this.parts(value, key, key);
      this.look(value, key, type);
    }
  }

  private text(row: Row, name: string | number, text: string): void {
    if (text.length < LEAST) return;
    const bytes = bytesOf(text);
    if (!bytes || !hasEnvelopeShape(bytes)) this.parts(row, name, text);
    else this.cells.push({ row, place: { name, origin: undefined, render: this.render }, bytes });
  }

  private parts(row: Row, name: string | number, text: string): void {
    if (text.length < LEAST) return;
    for (const [hex] of text.matchAll(SEALED_HEX)) {
      const place = { name, origin: undefined, render: this.render, isPart: true };
      this.cells.push({ row, place, bytes: Buffer.from(hex, 'hex') });
    }
  }
}

function bytesOf(text: string): Buffer | undefined {
  const [, hex] = WHOLE.exec(text) ?? [];
  return hex === undefined ? undefined : Buffer.from(hex, 'hex');
}

/** As a cast to `text` would have shown the value. */
function asText(decoded: Decoded): string {
  if (decoded.codec === 'bytes') return `\\x${decoded.bytes.toString('hex')}`;
  return decoded.codec === 'boolean' ? String(decoded.text === 't') : decoded.text;
}

/** As `to_json` would have shown the value (PostgreSQL manual 9.16): moments in ISO 8601, what is no JSON number as text. */
function asJson(decoded: Decoded): unknown {
  switch (decoded.codec) {
    case 'json':
      return JSON.parse(decoded.text);
    case 'boolean':
      return decoded.text === 't';
    case 'integer':
    case 'numeric':
      return Number.isFinite(Number(decoded.text)) ? Number(decoded.text) : decoded.text;
    case 'timestamp':
    case 'timestamptz':
      return decoded.text.replace(/ (?=\d\d:)/, 'T').replace(/\+00(?=$| )/, '+00:00');
    default:
      return asText(decoded);
  }
}
