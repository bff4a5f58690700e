/**
 * What stands in a compiled query's bindings instead of a personal value, from compilation until just before it is sent.
 * Compilation stays synchronous and repeatable, and whatever Knex prints or emits on the way (events, errors, `toString()`,
 * debug output) shows the marker's label, never the value (DESIGN.md mechanism 4).
 */
import { inspect } from 'node:util';
import type { Element } from '../catalogue/model';
import type { SubjectRow } from './subject-row';

/** Private fields: no printer, serialiser or deep copy reaches the value. */
export abstract class Marker {
  constructor(readonly label: string) {}

  toString(): string {
    return `[oubli ${this.label}]`;
  }

  toJSON(): string {
    return this.toString();
  }

  /** What `pg` and Knex's own formatter would send or print if a marker ever slipped through: the database refuses it. */
  toPostgres(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

/** A value that must be turned into something else before it is sent. */
export abstract class ValueMarker extends Marker {
  readonly #value: unknown;

  constructor(label: string, value: unknown) {
    super(label);
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
  ) {
    super(label, value);
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
