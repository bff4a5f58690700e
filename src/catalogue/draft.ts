/**
 * A declaration while it is being checked: where it stands, what was written, and how it is written rightly. Every
 * refusal of a declaration is raised here, so every one carries the reader's own code, corrected.
 */
import { AnnotationError, type ErrorCode, type Names } from '../errors';
import { refuseUnknownKeys, suggest } from './suggest';
import { type Fields, isFields, written } from './written';

/** Where a declaration stands: a table, and the column when it speaks of one. */
export interface Place {
  readonly table: string;
  readonly column?: string;
}

/** How the declaration is written around its object: `(spec) => ".personal(" + spec + ")"`. */
export type Call = (spec: string) => string;

type Scalar = string | number | boolean;

export class Draft {
  readonly given: Fields;

  /**
   * @param example what to write where nothing that can be corrected was written
   * @param path what stands before an option's name in a message: `''`, or `'retention.'` within one
   */
  constructor(
    private readonly place: Place,
    private readonly call: Call,
    given: unknown,
    example: Fields = {},
    private readonly path = '',
  ) {
    this.given = isFields(given) ? saidIn(given) : {};
    if (!isFields(given)) this.refuse('BAD_SPEC', { option: path.replace(/\.$/, '') }, example);
  }

  /** Raises, showing what was written with `correction` in it; a field corrected to `undefined` is left out. */
  refuse(code: ErrorCode, names: Names = {}, correction: Fields = {}): never {
    const corrected = this.call(written({ ...this.given, ...correction }));
    throw new AnnotationError(code, { ...this.place, ...names, corrected });
  }

  /** The object held in an option, to be checked as a declaration of its own. */
  nested(option: string, example: Fields): Draft {
    const around: Call = (inner) =>
      this.call(written({ ...this.given, [option]: HOLE }).replace(written(HOLE), () => inner));
    return new Draft(this.place, around, this.given[option], example, `${this.path}${option}.`);
  }

  /** The option as messages call it: `retention.keep`. */
  nameOf(option: string): string {
    return this.path + option;
  }

  has(option: string): boolean {
    return Object.hasOwn(this.given, option);
  }

  refuseUnknownOptions(allowed: readonly string[]): void {
    refuseUnknownKeys(this.given, allowed, (key, suggestion) =>
      this.refuse('UNKNOWN_OPTION', { option: this.path + key, suggestion }, this.renamed(key, suggestion)),
    );
  }

  /** The option's value, which must be one of `allowed`; `fallback` where it was left out. */
  oneOf<T extends Scalar>(option: string, allowed: readonly T[], fallback?: T): T {
    const value = this.given[option];
    if (value === undefined && fallback !== undefined) return fallback;
    const found = allowed.find((one) => one === value);
    if (found !== undefined) return found;
    const suggestion = typeof value === 'string' ? suggest(value, allowed.map(String)) : undefined;
    const choices = allowed.map(written).join(', ');
    const names = { option: this.path + option, given: shown(value), suggestion, choices };
    const correction = { [option]: allowed.find((one) => one === suggestion) ?? allowed[0] };
    return this.refuse(value === undefined ? 'MISSING_OPTION' : 'BAD_OPTION', names, correction);
  }

  /** The option's text, which must say something. */
  text(option: string, example: string, otherwise: ErrorCode = 'MISSING_OPTION'): string {
    const value = this.given[option];
    if (typeof value === 'string' && value.trim() !== '') return value;
    return this.refuse(otherwise, { option: this.path + option }, { [option]: example });
  }

  /** Like `text`, where the option may be left out. */
  textIfGiven(option: string, example: string): void {
    if (this.has(option)) this.text(option, example);
  }

  private renamed(key: string, suggestion: string | undefined): Fields {
    const moved = suggestion && !this.has(suggestion) ? { [suggestion]: this.given[key] } : {};
    return { [key]: undefined, ...moved };
  }
}

/** Stands for the nested object while its surroundings are written. */
const HOLE = '…hole…';

/** What was said, without the options set to `undefined`, which say nothing. */
function saidIn(given: Fields): Fields {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** A declared word as a message may show it; never the inside of an object. */
export function shown(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value).slice(0, 60)
    : typeof value;
}
