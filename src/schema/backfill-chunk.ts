/** A few blocks of a table that is being sealed: their waiting rows are read and locked, sealed for whom they lead to, and written. */
import { byteaArray } from '../bytea-array';
import type { Catalogue, Column } from '../catalogue/model';
import { isEnvelope } from '../crypto/envelope';
import { isPseudonym } from '../crypto/pseudonym';
import type { RowSealer } from '../crypto/seal';
import type { Sealer } from '../keyring/sealer';
import type { SubjectKey, SubjectKeys } from '../keyring/subject-keys';
import { type Queryable, quoteIdentifier as q, type Row } from '../queryable';
import type { TableFile } from './table-passes';
import { baseType, type WaitingRows } from './waiting-rows';

export interface SealingParts {
  readonly catalogue: Catalogue;
  readonly keys: SubjectKeys;
  readonly sealer: Sealer;
}

export class BackfillChunk {
  constructor(
    private readonly parts: SealingParts,
    private readonly table: string,
    private readonly columns: readonly Column[],
    private readonly waiting: WaitingRows,
  ) {}

  /** @returns how many rows were sealed */
  async run(connection: Queryable, file: TableFile, from: number, to: number): Promise<number> {
    const { rows } = await connection.query(this.waiting.between(file), [`(${from},0)`, `(${to},0)`]);
    if (rows.length === 0) return 0;
    const keys = await this.keysOf(rows);
    const partyOf = this.columns.map((column) =>
      this.waiting.parties.findIndex((each) => each.columns.includes(column)),
    );
    const sealed = rows.map((row) => this.sealRow(row, keys, partyOf));
    await connection.query(this.update(file), [
      rows.map((row) => row.at),
      ...this.columns.map((column, i) =>
        arrayOf(
          column,
          sealed.map((row) => row[i]),
        ),
      ),
    ]);
    return rows.length;
  }

  private update(file: TableFile): string {
    const names = this.columns.map((_, i) => `c${i}`).join(', ');
    const types = this.columns.map((column, i) => `$${i + 2}::${baseType(column)}[]`).join(', ');
    const sets = this.columns.map((column, i) => `${q(column.name)} = v.c${i}`).join(', ');
    return `update only ${file.name} t set ${sets} from unnest($1::tid[], ${types}) v(at, ${names}) where t.ctid = v.at`;
  }

  /** Of each party by whom she leads to; those of one kind are asked for together. */
  private async keysOf(rows: readonly Row[]): Promise<ReadonlyMap<string, SubjectKey>[]> {
    const people = new Map<string, Set<string>>();
    for (const [i, { path }] of this.waiting.parties.entries()) {
      const ids = people.get(path.kind) ?? new Set();
      for (const row of rows) if (row[`s${i}`] !== null) ids.add(String(row[`s${i}`]));
      people.set(path.kind, ids);
    }
    const keys = new Map<string, ReadonlyMap<string, SubjectKey>>();
    for (const [kind, ids] of people) keys.set(kind, await this.parts.keys.forSubjects(kind, [...ids]));
    return this.waiting.parties.map(({ path }) => keys.get(path.kind) ?? new Map());
  }

  private sealRow(row: Row, keys: readonly ReadonlyMap<string, SubjectKey>[], partyOf: readonly number[]): unknown[] {
    const { sealer } = this.parts;
    const sealers = new Map<SubjectKey, RowSealer>();
    const sealerOf = (key: SubjectKey): RowSealer => {
      const rowSealer = sealers.get(key) ?? sealer.row(key);
      sealers.set(key, rowSealer);
      return rowSealer;
    };
    const values = this.columns.map((column, i) => {
      const { element } = column;
      const value = row[`c${i}`];
      const names = { table: this.table, column: column.name };
      if (value === null || value === undefined || !element) return null;
      const party = partyOf[i] ?? -1;
      const key = keys[party]?.get(String(row[`s${party}`]));
      if (element.protect === 'truncate-ip') return sealer.truncate(element, value, names);
      // what was written since the declaration, beside a value that waits, stays as it is
      if (element.protect === 'pseudonymise')
        return isPseudonym(String(value)) ? value : key && sealer.pseudonym(key, element, value, names);
      if (isEnvelope(value as Uint8Array)) return value;
      return key && sealer.seal(sealerOf(key), element, plainValue(value as Uint8Array, element.codec), names);
    });
    for (const rowSealer of sealers.values()) rowSealer.wipe();
    return values;
  }
}

/** Bytes travel as they are; what else there is is short. */
function arrayOf({ element }: Column, values: readonly unknown[]): unknown {
  return element?.protect === 'encrypt' ? byteaArray(values as (Uint8Array | null)[]) : values;
}

/** What `begin_transition` made of the old value: the bytes of its text. */
function plainValue(bytes: Uint8Array, codec: string): unknown {
  const text = Buffer.from(bytes).toString('utf8');
  return codec === 'bytes' ? Buffer.from(text.slice(2), 'hex') : text;
}
