/** What stands in a row in a person's place: SQL of the value and its legal effect, as every strategy gives it. */
import type { Column, Table } from '../catalogue/model';
import type { LegalEffect, Strategy } from '../registers/receipt';

export interface Replacement {
  readonly strategy: Strategy;
  readonly effect: LegalEffect;
  /** SQL of the value; undefined where nothing is written. */
  readonly value: string | undefined;
  /** SQL condition: the column holds such a value already. */
  readonly stands: string;
  /** Whether no two rows ever get the same one. */
  readonly unique: boolean;
}

/** A column of a row, and how its replacement differs from that of every other row. */
export interface Place {
  readonly table: Table;
  readonly column: Column;
  /** SQL of the column. */
  readonly name: string;
  /** SQL of a text that no other row has, and nobody can compute again. */
  readonly mark: string;
}

const TEXT = /^(text|(?:\w+\.)?citext|bpchar|(?:character varying|varchar|character|char)(?:\((\d+)\))?)$/;
/** Fewer hexadecimal digits would meet again among ten million rows. */
export const LEAST_DIGITS = 16;

/** How many characters fit; undefined for what is no text. */
export function lengthOf(type: string): number | undefined {
  const [isText, , length = '999'] = TEXT.exec(type) ?? [];
  return isText === undefined ? undefined : Number(length);
}
