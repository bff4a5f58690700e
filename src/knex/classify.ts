/**
 * Gives the parameters of raw SQL their meaning, by the types the server answered. A value for a sealed column becomes a
 * query token: in a comparison that is what is wanted, and where it would be stored the guard in the database refuses it.
 */
import { type Catalogue, type Element, namesOfLabel, needsKey } from '../catalogue/model';
import { UnsupportedQueryError } from '../errors';
import { refuseForBytes } from './bare-bytes';
import { looksForTokens, refuseForCast } from './cast-comparisons';
import { CellArray } from './cell-array';
import { AddressMarker, ClearMarker, Marker, SealMarker, TokenMarker, UndescribedMarker } from './marker';
import { PinnedValue } from './pinned-value';
import { mentionsTable } from './watched-names';

/** boolean, integers, oid, uuid: what rows are named by. */
const NAMING = new Set([16, 20, 21, 23, 26, 2950]);
const NAME = /^(\d+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;

/** @param watched the statement's text where it mentions personal data: then only ids are shown, and only bytes are bytes */
export function classifyParameters(
  catalogue: Catalogue,
  bindings: readonly unknown[],
  types: readonly number[],
  watched: string | undefined,
): unknown[] {
  return bindings.map((given, place) => {
    if (given instanceof CellArray) return given;
    if (given instanceof Marker && !(given instanceof UndescribedMarker) && !(given instanceof PinnedValue))
      return given;
    const value = given instanceof UndescribedMarker ? given.value : given;
    if (value === null || value === undefined) return value;
    const type = types[place] ?? 0;
    const element = catalogue.elementOfDomain(type);
    if (value instanceof PinnedValue) return sealPinned(value, element, place + 1);
    const list = catalogue.elementOfDomainArray(type);
    if ((list && Array.isArray(value)) || element) refuseUnguarded(catalogue, watched);
    if (list && Array.isArray(value)) return value.map((each) => each && operand(list, each, place + 1, watched));
    if (element) return operand(element, value, place + 1, watched);
    if (watched === undefined) return value;
    refuseForCast(catalogue, watched, type);
    refuseForBytes(catalogue, watched, type, value, place + 1);
    return isName(value, type) ? value : new ClearMarker(`parameter ${place + 1}`, value);
  });
}

function isName(value: unknown, type: number): boolean {
  return NAMING.has(type) && (typeof value === 'string' ? NAME.test(value) : typeof value !== 'object');
}

const WRITES = /\b(insert|update|merge)\b/i;

/** Whether a parameter may be a value to store; in a statement that stores nothing it can only be one to look for. */
function isStored(sql: string | undefined): boolean {
  return sql === undefined || WRITES.test(sql);
}

/** A copy of a table, or a new partition: nothing there would refuse to store an operand as if it were a sealed value. */
function refuseUnguarded(catalogue: Catalogue, sql: string | undefined): void {
  if (sql === undefined || !WRITES.test(sql)) return;
  const table = catalogue.tables.find((each) => !each.guarded && needsKey(each) && mentionsTable(sql, each.name));
  if (table) throw new UnsupportedQueryError('UNGUARDED', { table: table.displayName });
}

function operand(element: Element, value: unknown, parameter: number, sql: string | undefined): Marker {
  if (element.protect === 'truncate-ip') return new AddressMarker(element, element.label, value);
  if (value instanceof Uint8Array && element.codec !== 'bytes') throw refusal('ALREADY_SEALED', element, parameter);
  if (element.normaliser === undefined) throw refusal(unsearched(element, sql), element, parameter);
  if (element.compound) throw refusal('COMPOUND_ALONE', element, parameter);
  if (element.state === 'transition') throw refusal('IN_TRANSITION', element, parameter);
  return new TokenMarker(element, element.label, value);
}

/** A pseudonym can be looked for by whoever says whose it is. */
function unsearched(element: Element, sql: string | undefined): 'TOKENS_IN_RAW' | 'RAW_UNPINNED' | 'NOT_SEARCHABLE' {
  if (looksForTokens(element, sql ?? '')) return 'TOKENS_IN_RAW';
  return element.protect === 'pseudonymise' || isStored(sql) ? 'RAW_UNPINNED' : 'NOT_SEARCHABLE';
}

function sealPinned(pinned: PinnedValue, element: Element | undefined, parameter: number): Marker {
  if (!element || element.protect === 'truncate-ip') throw new UnsupportedQueryError('PINNED_ELSEWHERE', { parameter });
  if (element.compound) throw refusal('COMPOUND_ALONE', element, parameter);
  return new SealMarker(element, element.label, pinned.value, pinned.row);
}

function refusal(
  code: 'ALREADY_SEALED' | 'NOT_SEARCHABLE' | 'RAW_UNPINNED' | 'IN_TRANSITION' | 'COMPOUND_ALONE' | 'TOKENS_IN_RAW',
  element: Element,
  parameter: number,
): UnsupportedQueryError {
  const { table, column } = namesOfLabel(element.label);
  const others = element.compound?.map((member) => member.column).join(', ');
  return new UnsupportedQueryError(code, { table, column, parameter, others });
}
