/**
 * What stands in a compiled query's bindings instead of a personal value, from compilation until just before it is sent.
 * Compilation stays synchronous and repeatable, and whatever Knex prints or emits on the way (events, errors, `toString()`,
 * debug output) shows the marker's label, never the value (DESIGN.md mechanism 4).
 */
import { inspect } from 'node:util';
import { type Element, namesOfLabel } from '../catalogue/model';
import type { TokenKind } from '../crypto/search-tokens';
import { UnsupportedQueryError } from '../errors';
import type { Names } from '../messages';
import type { SubjectRow } from './subject-row';

/** How every marker begins when it is printed. It is no SQL in any place of an expression: what is printed cannot be executed. */
export const PRINTED = '[oubli ';

/** Private fields: no printer, serialiser or deep copy reaches the value. */
export abstract class Marker {
  constructor(readonly label: string) {}

  toString(): string {
    return `${PRINTED}${this.label}]`;
  }

  toJSON(): string {
    return this.toString();
  }

  /** Asked by a `pg` client that is not ours: a marker's text must not be stored or compared in place of the value. */
  toPostgres(): never {
    throw new UnsupportedQueryError('PLACEHOLDER_SENT', { label: this.label });
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

/** A value that must be turned into something else before it is sent. */
export abstract class ValueMarker extends Marker {
  readonly #value: unknown;

  /** @throws UnsupportedQueryError when the value is, or holds, a marker: its text would be sealed in place of the value */
  constructor(label: string, value: unknown) {
    super(label);
    if (isMarked(value)) throw new UnsupportedQueryError('PLACEHOLDER_AS_VALUE', namesOf(this));
    this.#value = value;
  }

  get value(): unknown {
    return this.#value;
  }
}

/** To be written sealed, or as a pseudonym, under the key of its row's subject. */
export class SealMarker extends ValueMarker {
  constructor(
    readonly element: Element,
    label: string,
    value: unknown,
    readonly row: SubjectRow,
    /** What its index is made of, where that is several columns' values. */
    readonly compound?: CompoundMarker,
  ) {
    super(label, value);
  }
}

/** Values of several columns, to be compared, or indexed, together: a list in the order of `parts`. */
export class CompoundMarker extends ValueMarker {
  constructor(
    /** The elements: the one whose values carry the index, then the others. */
    readonly parts: readonly Element[],
    label: string,
    values: readonly unknown[],
  ) {
    super(label, values);
  }
}

/** To be compared by blind index: the bare index, as the builder writes the comparison itself. */
export class IndexMarker extends ValueMarker {
  constructor(
    readonly element: Element,
    label: string,
    value: unknown,
  ) {
    super(label, value);
  }
}

/** To be compared by the domain's own operators: a query token (ENVELOPE.md I5). */
export class TokenMarker extends IndexMarker {}

/** A beginning, or words, to be compared by search tokens: an `int8[]`. */
export class SearchTokensMarker extends ValueMarker {
  constructor(
    readonly element: Element,
    label: string,
    value: string,
    readonly kind: TokenKind,
  ) {
    super(label, value);
  }
}

/** An address to be truncated, written or compared. */
export class AddressMarker extends ValueMarker {
  constructor(
    readonly element: Element,
    label: string,
    value: unknown,
  ) {
    super(label, value);
  }
}

/** A personal value that is stored as it is: sent unchanged, but not shown. */
export class ClearMarker extends ValueMarker {}

/** A parameter of raw text of which nobody knows yet what it is: hidden until the server has said so. */
export class UndescribedMarker extends ValueMarker {}

/** The value of an anchor column that the statement did not give: the row's own id, or who an update was narrowed to. */
export class AnchorMarker extends Marker {
  constructor(
    label: string,
    readonly row: SubjectRow,
    /** Position among the path's anchor columns. */
    readonly place: number,
  ) {
    super(label);
  }
}

/** A binding as SQL that is printed shows it; undefined where it holds no marker, and Knex prints it. */
export function printed(binding: unknown): string | undefined {
  if (binding instanceof Marker) return binding.toString();
  return isMarked(binding) ? `${PRINTED}values]` : undefined;
}

export function holdsMarkers(bindings: readonly unknown[] | undefined): boolean {
  return bindings?.some((binding) => isMarked(binding)) ?? false;
}

/** Whether a value is a marker or holds one, wherever `pg` or a codec of ours would come upon it as it writes JSON. */
export function isMarked(value: unknown, seen?: Set<object>): boolean {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false;
  if (value instanceof Marker) return true;
  if (seen?.has(value) || writesItself(value)) return false;
  const met = (seen ?? new Set()).add(value);
  return Object.values(value).some((each) => isMarked(each, met));
}

/** @throws UnsupportedQueryError when an object holds a marker that would be written as JSON; in an array each is replaced */
export function refuseInside(value: unknown): void {
  if (value instanceof Marker || Array.isArray(value) || !isMarked(value)) return;
  throw new UnsupportedQueryError('PLACEHOLDER_AS_VALUE', { label: 'an object' });
}

/** A Date, a decimal of some library. */
function writesItself(value: object): boolean {
  return 'toJSON' in value || 'toPostgres' in value;
}

const named = new Map<string, Names>();
const MOST_LABELS = 5000;
let last: { label: string; names: Names } | undefined;

/** Table and column of a marker's label, where it names them. There are as many labels as columns, and a marker for each value. */
export function namesOf({ label }: Marker): Names {
  if (last?.label === label) return last.names;
  let names = named.get(label);
  if (!names) {
    names = label.includes('.') ? { ...namesOfLabel(label), label } : { label };
    if (named.size >= MOST_LABELS) named.clear();
    named.set(label, names);
  }
  last = { label, names };
  return names;
}
