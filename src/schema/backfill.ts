/**
 * Seals the rows that were there before their table was declared. Chunk by chunk, each in a transaction of its own, so that
 * it can be interrupted and run again; then PostgreSQL validates the domain over every row, which is the proof that no
 * plaintext is left, and the blind indexes are built.
 */
import type { Column, Table } from '../catalogue/model';
import { AnnotationError } from '../errors';
import type { Queryable } from '../queryable';
import { BackfillChunk, type SealingParts } from './backfill-chunk';
import { type TableFile, WaitingRows } from './waiting-rows';

export interface BackfillParts extends SealingParts {
  transaction<T>(work: (connection: Queryable) => Promise<T>): Promise<T>;
}

export interface BackfillReport {
  readonly table: string;
  readonly rows: number;
  /** Columns whose transition ended: proved free of plaintext by PostgreSQL. */
  readonly columns: readonly string[];
}

/**
 * @throws AnnotationError NO_TRANSITION when nothing waits to be sealed, NOBODYS_ROWS when rows that wait lead to no person,
 *   COPY_WAITS when another table got a copy of what waits
 */
export async function backfillTable(parts: BackfillParts, table: Table): Promise<BackfillReport> {
  const columns = [...table.columns.values()].filter((column) => column.element?.state === 'transition');
  if (columns.length === 0) throw new AnnotationError('NO_TRANSITION', { table: table.name });
  const rows = await new Backfill(parts, table, columns).run();
  return { table: table.displayName, rows, columns: columns.map((column) => column.name) };
}

/** Blocks of the table per transaction: some 1,000 rows. By block range, because a search for what is left would read the
 * table again from its start for every chunk. */
const BLOCKS = 16;
const ATTEMPTS = 5;

class Backfill {
  private readonly waiting: WaitingRows;
  private readonly chunk: BackfillChunk;

  constructor(
    private readonly parts: BackfillParts,
    private readonly table: Table,
    private readonly columns: readonly Column[],
  ) {
    this.waiting = new WaitingRows(parts.catalogue, table, columns);
    this.chunk = new BackfillChunk(parts, table.name, columns, this.waiting);
  }

  async run(): Promise<number> {
    let rows = 0;
    for (let attempt = 1; ; attempt++) {
      rows += await this.sealAll();
      if (await this.ended(attempt)) return rows;
    }
  }

  /**
   * Passes over the whole table until one finds nothing. An update of another column leaves a waiting value as it is and moves
   * its row, perhaps to where a pass has been already.
   */
  private async sealAll(): Promise<number> {
    await this.parts.transaction((connection) => this.waiting.refuseNobodys(connection));
    let rows = 0;
    for (let sealed = -1; sealed !== 0; rows += sealed) sealed = await this.pass();
    return rows;
  }

  private async pass(): Promise<number> {
    let rows = 0;
    for (const file of await this.files()) {
      for (let from = 0; from < file.blocks; from += BLOCKS) {
        rows += await this.parts.transaction((connection) => this.chunk.run(connection, file, from, from + BLOCKS));
      }
    }
    return rows;
  }

  /** @returns false where a row moved after the last pass had been there, and waits still */
  private async ended(attempt: number): Promise<boolean> {
    try {
      await this.parts.transaction(async (connection) => {
        for (const { name } of this.columns)
          await connection.query('select oubli.end_transition($1::regclass, $2)', [this.table.sqlName, name]);
      });
      return true;
    } catch (error) {
      if (!isNotValid(error)) throw error;
      await this.refuseCopies(error);
      if (attempt === ATTEMPTS) throw error;
      return false;
    }
  }

  /** A table that was made like this one meanwhile has its types, and what was copied into it nobody seals. */
  private async refuseCopies({ schema, table, column }: NotValid): Promise<void> {
    const files = await this.files();
    if (files.some((file) => file.schema === schema && file.table === table)) return;
    const { rows } = await this.parts.transaction((connection) =>
      connection.query(`select format('%I.%I', $1::text, $2::text) as copy`, [schema, table]),
    );
    throw new AnnotationError('COPY_WAITS', { table, column, copy: String(rows[0]?.copy), of: this.table.displayName });
  }

  private files(): Promise<TableFile[]> {
    return this.parts.transaction((connection) => this.waiting.files(connection));
  }
}

/** PostgreSQL's refusal to validate a domain: where a value is that violates it. */
interface NotValid {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
}

function isNotValid(error: unknown): error is NotValid {
  const { code, table } = error as { code?: string; table?: string };
  return code === '23514' && table !== undefined;
}
