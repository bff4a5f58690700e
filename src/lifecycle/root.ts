/**
 * What leaves, and how statements name it: a person by the column that names her, a row by its primary key, or, where that
 * has not exactly one column, by its place in the table. Names travel as text and are cast in SQL.
 */

import type { Table } from '../catalogue/model';
import type { JoinedChain } from '../catalogue/path-sql';
import { quoteIdentifier as q } from '../queryable';

export interface Root {
  readonly root: Table;
  /** The column of the root whose values name what leaves; `ctid` for a row's place. */
  readonly rootColumn: string;
}

/** A place holds as long as its row is locked; a partition is part of it, for each counts its places from the start. */
const PLACE = 'ctid';

/** The column that names single rows of a table. */
export function rowColumn(table: Table): string {
  const [first, second] = table.primaryKey;
  return first !== undefined && second === undefined ? first : PLACE;
}

/**
 * PostgreSQL's type of the names, without length or precision: a cast to `varchar(3)` would cut `abcd` down to another
 * person's name.
 */
export function rootType({ root, rootColumn }: Root): string {
  const type = root.columns.get(rootColumn)?.type ?? 'tid';
  return /^char(acter)?\b(?! varying)/.test(type) ? 'bpchar' : type.replace(/\(\d+(, ?-?\d+)?\)/, '');
}

/** SQL of the name of a row of the root, as text. */
export function nameOf({ rootColumn }: Root, alias: string): string {
  return rootColumn === PLACE ? `${alias}.tableoid::bigint || ' ' || ${alias}.ctid` : `${alias}.${q(rootColumn)}::text`;
}

/** SQL of the columns that a name stands for. */
export function fromName(of: Root, name: string): string {
  return of.rootColumn === PLACE
    ? `split_part(${name}, ' ', 1)::oid as part, split_part(${name}, ' ', 2)::tid as id`
    : `${name}::${rootType(of)} as id`;
}

/** SQL of all the names, which are `$1`, by their own type; undefined where it takes more than one value to name a row. */
export function arrayOfNames(of: Root): string | undefined {
  return of.rootColumn === PLACE ? undefined : `$1::text[]::${rootType(of)}[]`;
}

/** SQL condition: the row at the start of the chain belongs to this row of `root`. */
export function belongsTo({ rootColumn }: Root, { conditions, root }: JoinedChain, alias: string): string {
  const own = `${root} = ${alias}.id`;
  const partition = `${root.slice(0, root.indexOf('.'))}.tableoid = ${alias}.part`;
  return [...conditions, own, ...(rootColumn === PLACE ? [partition] : [])].join(' and ');
}
