/** One row of the surface: a verb of Knex, a call of it over sealed columns, and what comes of it. */
import type { Knex } from 'knex';

export interface Verb {
  /** How the table names it; of Markdown, without bars. */
  readonly verb: string;
  /** What is called on the instance, or on a transaction of it; answers what plain Knex would. */
  readonly call: (db: Knex) => unknown;
  /** The code it is refused with, before anything is sent; undefined where it works. */
  readonly refused?: string;
  /** What a reader should know besides. */
  readonly note?: string;
  /** Needs the instance itself: it begins transactions or takes connections of its own. */
  readonly alone?: true;
}

export interface Chapter {
  readonly title: string;
  readonly verbs: readonly Verb[];
}

export const works = (verb: string, call: Verb['call'], note?: string): Verb =>
  note === undefined ? { verb, call } : { verb, call, note };

export const alone = (verb: string, call: Verb['call'], note?: string): Verb => ({
  ...works(verb, call, note),
  alone: true,
});

export const refused = (verb: string, code: string, call: Verb['call']): Verb => ({ verb, call, refused: code });

export const ADA = 'ada@example.org';
export const BOB = 'bob@example.org';
export const NEW = 'new@example.org';

/** A call that JavaScript can make and Knex's types do not know. */
// biome-ignore lint/suspicious/noExplicitAny: that is what it is for
export const any = (value: unknown): any => value;
