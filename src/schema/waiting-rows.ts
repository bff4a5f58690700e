/**
 * The rows of a table that wait to be sealed: where they are, which values of theirs wait, and to whom they lead. The backfill
 * reads through it; a row that leads to nobody is refused, since no key could seal it.
 */
import type { Catalogue, Column, Table } from '../catalogue/model';
import { partiesOf } from '../catalogue/parties';
import { type JoinedChain, joinChain } from '../catalogue/path-sql';
import { anchorColumns, type SubjectPath } from '../catalogue/subject-path';
import { AnnotationError } from '../errors';
import { type Queryable, quoteIdentifier as q } from '../queryable';
import type { TableFile } from './table-passes';

/** Somebody whose values wait, and which of the columns they stand in. */
export interface WaitingParty {
  readonly path: SubjectPath;
  readonly columns: readonly Column[];
  readonly chain: JoinedChain;
}

export class WaitingRows {
  /** None where nothing is written under anybody's key. */
  readonly parties: readonly WaitingParty[];

  constructor(
    catalogue: Catalogue,
    private readonly table: Table,
    private readonly columns: readonly Column[],
  ) {
    const underKey = columns.filter((column) => column.element?.protect !== 'truncate-ip');
    this.parties = (underKey.length > 0 ? partiesOf(catalogue, table) : []).flatMap(({ path, columns: hers }) => {
      const waiting = underKey.filter((column) => hers.includes(column));
      return waiting.length === 0
        ? []
        : [{ path, columns: waiting, chain: joinChain(catalogue, 't', path.hops, path.subjectColumn) }];
    });
  }

  /**
   * SQL of the rows of a file between two places, locked: `at`, `s0`, `s1` … (whom each party's columns lead to, as text), and
   * each column's value as `c0`, `c1` …
   */
  between(file: TableFile): string {
    const values = this.columns.map((column, i) => `t.${q(column.name)}::${baseType(column)} as c${i}`);
    const [only, another] = this.parties;
    const { tables = [], conditions = [], root = 'null' } = another ? {} : (only?.chain ?? {});
    const where = ['t.ctid >= $1::tid', 't.ctid < $2::tid', ...conditions, waits(this.columns)];
    if (only && !another) where.push(`${root} is not null`);
    // with several people a row has nobody in one of the places, and waits for the others
    if (another) where.push(...this.parties.map((party) => `not (${isNobodys(party)})`));
    const subjects = another ? this.parties.map((party) => `(${person(party, 's')})`) : [root];
    return `select t.ctid::text as at, ${[...subjects.map((sql, i) => `${sql}::text as s${i}`), ...values].join(', ')}
      from ${[`only ${file.name} t`, ...tables].join(', ')} where ${where.join(' and ')} for update of t`;
  }

  /** @throws AnnotationError NOBODYS_ROWS, with how many they are and the query that shows them */
  async refuseNobodys(connection: Queryable): Promise<void> {
    const { sqlName, name } = this.table;
    for (const party of this.parties) {
      const nobodys = `${sqlName} t where not exists (${person(party)})`;
      const waiting = waits(this.parties.length === 1 ? this.columns : party.columns);
      const { rows } = await connection.query(`select count(*) as n from ${nobodys} and ${waiting}`);
      const count = Number(rows[0]?.n);
      const column = anchorColumns(party.path).join(', ');
      if (count > 0) throw new AnnotationError('NOBODYS_ROWS', { table: name, column, count, nobodys });
    }
  }
}

/** SQL of whom a row leads to; no row where it leads to nobody. */
function person({ chain: { tables, conditions, root } }: WaitingParty, as?: string): string {
  const from = tables.length === 0 ? '' : ` from ${tables.join(', ')}`;
  const what = as === undefined ? 'select' : `select ${root} as ${as}`;
  return `${what}${from} where ${[...conditions, `${root} is not null`].join(' and ')}`;
}

/** SQL condition: values of somebody wait, and the row leads to nobody. */
function isNobodys(party: WaitingParty): string {
  return `${waits(party.columns)} and not exists (${person(party)})`;
}

/** SQL condition: the row has a value that its element would not have written. */
function waits(columns: readonly Column[]): string {
  const waiting = columns.map((column) => `t.${q(column.name)} is not null and not (${isDone(column)})`);
  return `(${waiting.join(' or ')})`;
}

/** The type that a waiting value is read, and a sealed one written, as. */
export function baseType(column: Column): string {
  if (column.element?.protect === 'encrypt') return 'bytea';
  return column.element?.protect === 'truncate-ip' ? column.type : 'text';
}

/** What the domain's own CHECK will ask (`oubli.domain_check`): whatever it would refuse still waits. */
function isDone(column: Column): string {
  const value = `t.${q(column.name)}::${baseType(column)}`;
  const { element } = column;
  switch (element?.protect) {
    case 'encrypt':
      return `oubli.${element.tokens ? 'is_tokenised' : 'is_sealed'}(${value}, ${element.id}, ${element.normaliser !== undefined})`;
    case 'pseudonymise':
      return `${value} ~ '^psn1\\.[A-Za-z0-9_-]{43}$'`;
    default: {
      const check = baseType(column) === 'inet' ? 'is_truncated' : 'is_truncated_text';
      return `oubli.${check}(${value}, ${element?.v4}, ${element?.v6})`;
    }
  }
}
