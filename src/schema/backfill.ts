/**
 * Seals the rows that were there before their table was declared. Chunk by chunk, each in a transaction of its own, so that
 * it can be interrupted and run again; then PostgreSQL validates the domain over every row, which is the proof that no
 * plaintext is left, and the blind indexes are built.
 */
import type { Catalogue, Column, Table } from '../catalogue/model';
import { joinChain } from '../catalogue/path-sql';
import { pathToSubject, type SubjectPath } from '../catalogue/subject-path';
import { isEnvelope } from '../crypto/envelope';
import { AnnotationError } from '../errors';
import type { Sealer } from '../keyring/sealer';
import type { SubjectKey, SubjectKeys } from '../keyring/subject-keys';
import { type Queryable, quoteIdentifier as q, type Row } from '../queryable';

export interface BackfillParts {
  readonly catalogue: Catalogue;
  readonly keys: SubjectKeys;
  readonly sealer: Sealer;
  transaction<T>(work: (connection: Queryable) => Promise<T>): Promise<T>;
}

export interface BackfillReport {
  readonly table: string;
  readonly rows: number;
  /** Columns whose transition ended: proved free of plaintext by PostgreSQL. */
  readonly columns: readonly string[];
}

/** Blocks of the table per transaction: some 1,000 rows. By block range, because a search for what is left would read the
 * table again from its start for every chunk. */
const BLOCKS = 16;

/** @throws AnnotationError NO_TRANSITION when nothing waits to be sealed */
export async function backfillTable(parts: BackfillParts, table: Table): Promise<BackfillReport> {
  const columns = [...table.columns.values()].filter((column) => column.element?.state === 'transition');
  if (columns.length === 0) throw new AnnotationError('NO_TRANSITION', { table: table.name });
  const chunk = new BackfillChunk(parts, table, columns);
  const blocks = await parts.transaction((connection) => countBlocks(connection, table));
  let rows = 0;
  for (let from = 0; from < blocks; from += BLOCKS) {
    rows += await parts.transaction((connection) => chunk.run(connection, from, from + BLOCKS));
  }
  await parts.transaction(async (connection) => {
    for (const { name } of columns)
      await connection.query('select oubli.end_transition($1::regclass, $2)', [table.sqlName, name]);
  });
  return { table: table.sqlName, rows, columns: columns.map((column) => column.name) };
}

/** As of now: whatever is written later is sealed when it is written. */
async function countBlocks(connection: Queryable, table: Table): Promise<number> {
  const size = "pg_relation_size($1::regclass) / current_setting('block_size')::bigint";
  const { rows } = await connection.query(`select ${size} as blocks`, [table.sqlName]);
  return Number(rows[0]?.blocks);
}

class BackfillChunk {
  private readonly path: SubjectPath | undefined;

  constructor(
    private readonly parts: BackfillParts,
    private readonly table: Table,
    private readonly columns: readonly Column[],
  ) {
    const needsKey = columns.some((column) => column.element?.protect !== 'truncate-ip');
    this.path = needsKey ? pathToSubject(parts.catalogue, table) : undefined;
  }

  async run(connection: Queryable, from: number, to: number): Promise<number> {
    const { rows } = await connection.query(this.selection(), [`(${from},0)`, `(${to},0)`]);
    if (rows.length === 0) return 0;
    const keys = await this.keysOf(rows);
    const sealed = rows.map((row) => this.sealRow(row, keys));
    const arrays = [rows.map((row) => row.at), ...this.columns.map((_, i) => sealed.map((row) => row[i]))];
    const names = this.columns.map((_, i) => `c${i}`).join(', ');
    const types = this.columns.map((column, i) => `$${i + 2}::${baseType(column)}[]`).join(', ');
    const sets = this.columns.map((column, i) => `${q(column.name)} = v.c${i}`).join(', ');
    await connection.query(
      `update ${this.table.sqlName} t set ${sets} from unnest($1::tid[], ${types}) v(at, ${names}) where t.ctid = v.at`,
      arrays,
    );
    return rows.length;
  }

  /** Rows with a value that its element would not have written. */
  private selection(): string {
    const chain = this.path && joinChain(this.parts.catalogue, 't', this.path.hops, this.path.subjectColumn);
    const waiting = this.columns
      .map((column) => `(t.${q(column.name)} is not null and not (${isDone(column)}))`)
      .join(' or ');
    const range = 't.ctid >= $1::tid and t.ctid < $2::tid';
    const where = [range, ...(chain?.conditions ?? []), `(${waiting})`].join(' and ');
    const tables = [`${this.table.sqlName} t`, ...(chain?.tables ?? [])].join(', ');
    const values = this.columns.map((column, i) => `t.${q(column.name)}::${baseType(column)} as c${i}`).join(', ');
    return `select t.ctid::text as at, ${chain?.root ?? 'null'}::text as subject, ${values} from ${tables} where ${where} for update of t`;
  }

  private async keysOf(rows: readonly Row[]): Promise<Map<string, SubjectKey>> {
    if (!this.path) return new Map();
    return this.parts.keys.forSubjects(this.path.kind, [...new Set(rows.map((row) => String(row.subject)))]);
  }

  private sealRow(row: Row, keys: ReadonlyMap<string, SubjectKey>): unknown[] {
    const { sealer } = this.parts;
    const key = keys.get(String(row.subject));
    const rowSealer = key && sealer.row(key);
    const values = this.columns.map((column, i) => {
      const { element } = column;
      const value = row[`c${i}`];
      const names = { table: this.table.name, column: column.name };
      if (value === null || value === undefined || !element) return null;
      if (element.protect === 'truncate-ip') return sealer.truncate(element, value, names);
      if (element.protect === 'pseudonymise') return key && sealer.pseudonym(key, element, value, names);
      if (isEnvelope(value as Uint8Array)) return value;
      return rowSealer && sealer.seal(rowSealer, element, plainValue(value as Uint8Array, element.codec), names);
    });
    rowSealer?.wipe();
    return values;
  }
}

/** What `begin_transition` made of the old value: the bytes of its text. */
function plainValue(bytes: Uint8Array, codec: string): unknown {
  const text = Buffer.from(bytes).toString('utf8');
  return codec === 'bytes' ? Buffer.from(text.slice(2), 'hex') : text;
}

function isDone(column: Column): string {
  const name = `t.${q(column.name)}`;
  const element = column.element;
  switch (element?.protect) {
    case 'encrypt':
      return `oubli.is_sealed(${name}::bytea, ${element.id}, ${element.normaliser !== undefined})`;
    case 'pseudonymise':
      return `${name} ~ '^psn1\\.[A-Za-z0-9_-]{43}$'`;
    default:
      return `oubli.is_truncated(${name}::inet, ${element?.v4}, ${element?.v6})`;
  }
}

function baseType(column: Column): string {
  if (column.element?.protect === 'encrypt') return 'bytea';
  return column.element?.protect === 'truncate-ip' ? column.type : 'text';
}
