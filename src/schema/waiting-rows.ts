/**
 * The rows of a table that wait to be sealed: where they are, which values of theirs wait, and to whom they lead. The backfill
 * reads through it; a row that leads to nobody is refused, since no key could seal it.
 */
import type { Catalogue, Column, Table } from '../catalogue/model';
import { type JoinedChain, joinChain } from '../catalogue/path-sql';
import { anchorColumns, pathToSubject, type SubjectPath } from '../catalogue/subject-path';
import { AnnotationError } from '../errors';
import { type Queryable, quoteIdentifier as q } from '../queryable';
import type { TableFile } from './table-passes';

export class WaitingRows {
  /** Undefined where nothing is written under anybody's key. */
  readonly path: SubjectPath | undefined;
  private readonly chain: JoinedChain | undefined;

  constructor(
    catalogue: Catalogue,
    private readonly table: Table,
    private readonly columns: readonly Column[],
  ) {
    const needsKey = columns.some((column) => column.element?.protect !== 'truncate-ip');
    this.path = needsKey ? pathToSubject(catalogue, table) : undefined;
    this.chain = this.path && joinChain(catalogue, 't', this.path.hops, this.path.subjectColumn);
  }

  /**
   * SQL of the rows of a file between two places, locked: `at`, `subject` (whom they lead to, as text), and each column's value
   * as `c0`, `c1` …
   */
  between(file: TableFile): string {
    const { tables = [], conditions = [], root = 'null' } = this.chain ?? {};
    const values = this.columns.map((column, i) => `t.${q(column.name)}::${baseType(column)} as c${i}`).join(', ');
    const where = ['t.ctid >= $1::tid', 't.ctid < $2::tid', ...conditions, this.waits];
    if (this.chain) where.push(`${root} is not null`);
    return `select t.ctid::text as at, ${root}::text as subject, ${values}
      from ${[`only ${file.name} t`, ...tables].join(', ')} where ${where.join(' and ')} for update of t`;
  }

  /** @throws AnnotationError NOBODYS_ROWS, with how many they are and the query that shows them */
  async refuseNobodys(connection: Queryable): Promise<void> {
    if (!this.path) return;
    const { sqlName, name } = this.table;
    const nobodys = `${sqlName} t where not exists (${this.person})`;
    const { rows } = await connection.query(`select count(*) as n from ${nobodys} and ${this.waits}`);
    const count = Number(rows[0]?.n);
    const column = anchorColumns(this.path).join(', ');
    if (count > 0) throw new AnnotationError('NOBODYS_ROWS', { table: name, column, count, nobodys });
  }

  /** SQL of whom a row leads to; no row where it leads to nobody. */
  private get person(): string {
    const { tables = [], conditions = [], root = 'null' } = this.chain ?? {};
    const from = tables.length === 0 ? '' : ` from ${tables.join(', ')}`;
    return `select${from} where ${[...conditions, `${root} is not null`].join(' and ')}`;
  }

  /** SQL condition: the row has a value that its element would not have written. */
  private get waits(): string {
    const waiting = this.columns.map((column) => `t.${q(column.name)} is not null and not (${isDone(column)})`);
    return `(${waiting.join(' or ')})`;
  }
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
