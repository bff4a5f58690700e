/** A few blocks of a table on its way out: their sealed values are read and locked, opened, and written as the bytes of their text. */
import { byteaArray } from '../bytea-array';
import type { Column, Table } from '../catalogue/model';
import type { Decoded } from '../crypto/codec';
import { isEnvelope, keyIdOf } from '../crypto/envelope';
import { AnnotationError } from '../errors';
import { KeyCache } from '../keyring/key-cache';
import { ResultOpener } from '../keyring/sealer';
import { type Queryable, quoteIdentifier as q, type Row } from '../queryable';
import { beginErrand, endErrand } from '../registers/errand';
import type { SealingParts } from './backfill-chunk';
import type { TableFile } from './table-passes';

export class ReleaseChunk {
  constructor(
    private readonly parts: SealingParts,
    private readonly table: Table,
    /** Those that are sealed; nothing opens a pseudonym or a truncated address. */
    private readonly columns: readonly Column[],
  ) {}

  /** @returns how many rows were opened */
  async run(connection: Queryable, file: TableFile, from: number, to: number): Promise<number> {
    if (this.columns.length === 0) return 0;
    const { rows } = await connection.query(this.select(file), [`(${from},0)`, `(${to},0)`]);
    if (rows.length === 0) return 0;
    const opened = await this.openRows(rows);
    await beginErrand(connection);
    await connection.query(this.update(file), [
      rows.map((row) => row.at),
      ...this.columns.map((_, i) => byteaArray(opened.map((row) => row[i] ?? null))),
    ]);
    await endErrand(connection);
    return rows.length;
  }

  private select(file: TableFile): string {
    const values = this.columns.map((column, i) => `t.${q(column.name)}::bytea as c${i}`).join(', ');
    const sealed = this.columns.map(
      (column) => `substring(t.${q(column.name)}::bytea from 1 for 3) = '\\xa70b01'::bytea`,
    );
    return `select t.ctid::text as at, ${values} from only ${file.name} t
      where t.ctid >= $1::tid and t.ctid < $2::tid and (${sealed.join(' or ')}) for update of t`;
  }

  private update(file: TableFile): string {
    const names = this.columns.map((_, i) => `c${i}`).join(', ');
    const types = this.columns.map((_, i) => `$${i + 2}::bytea[]`).join(', ');
    const sets = this.columns.map((column, i) => `${q(column.name)} = v.c${i}`).join(', ');
    return `update only ${file.name} t set ${sets} from unnest($1::tid[], ${types}) v(at, ${names}) where t.ctid = v.at`;
  }

  private async openRows(rows: readonly Row[]): Promise<(Buffer | null)[][]> {
    const keys = await this.parts.keys.byId(distinctKeys(rows, this.columns.length));
    const opener = new ResultOpener(this.parts.sealer.place, (keyId) => keys.get(KeyCache.nameOf(keyId)));
    try {
      return rows.map((row) => this.columns.map((column, i) => this.open(opener, column, bytesAt(row, i))));
    } finally {
      opener.wipe();
    }
  }

  private open(opener: ResultOpener, column: Column, value: Uint8Array | null): Buffer | null {
    // what waits still, of a backfill that never ended, is the bytes of its text already
    if (value === null || !isEnvelope(value)) return value && Buffer.from(value);
    const decoded = opener.open(value, column.element?.id, { table: this.table.name, column: column.name });
    if (decoded === null && column.notNull) throw nullOfErased(this.table, column);
    return decoded && plainBytes(decoded);
  }
}

/** What `begin_transition` makes of a value, and `end_release` reads: the bytes of its text. */
function plainBytes(decoded: Decoded): Buffer {
  return Buffer.from(decoded.codec === 'bytes' ? `\\x${decoded.bytes.toString('hex')}` : decoded.text, 'utf8');
}

function bytesAt(row: Row, i: number): Uint8Array | null {
  return row[`c${i}`] as Uint8Array | null;
}

function distinctKeys(rows: readonly Row[], columns: number): Iterable<Uint8Array> {
  const ids = new Map<string, Uint8Array>();
  for (const row of rows) {
    for (let i = 0; i < columns; i++) {
      const value = bytesAt(row, i);
      if (!value || !isEnvelope(value)) continue;
      const keyId = keyIdOf(value);
      if (keyId.some((byte) => byte !== 0)) ids.set(KeyCache.nameOf(keyId), keyId);
    }
  }
  return ids.values();
}

function nullOfErased(table: Table, column: Column): AnnotationError {
  const names = { table: table.name, column: column.name };
  return new AnnotationError('NULL_OF_ERASED', { ...names, sql: table.sqlName, quoted: q(column.name) });
}
