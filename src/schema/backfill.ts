/**
 * Seals the rows that were there before their table was declared. Chunk by chunk, each in a transaction of its own, so that
 * it can be interrupted and run again; then PostgreSQL validates the domain over every row, which is the proof that no
 * plaintext is left, and the blind indexes are built.
 */
import type { Column, Table } from '../catalogue/model';
import { AnnotationError } from '../errors';
import { BackfillChunk, type SealingParts } from './backfill-chunk';
import { refuseDuplicates } from './duplicates';
import { type PassOptions, TablePasses, type Transaction } from './table-passes';
import { WaitingRows } from './waiting-rows';

export interface BackfillParts extends SealingParts {
  readonly transaction: Transaction;
}

export interface BackfillReport {
  readonly table: string;
  readonly rows: number;
  /** Columns whose transition ended: proved free of plaintext by PostgreSQL. */
  readonly columns: readonly string[];
}

/**
 * @throws AnnotationError NO_TRANSITION when nothing waits to be sealed, NOBODYS_ROWS when rows that wait lead to no person,
 *   COPY_WAITS when another table got a copy of what waits, DUPLICATES when values of a column that is to be unique are not
 */
export async function backfillTable(
  parts: BackfillParts,
  table: Table,
  options: PassOptions = {},
): Promise<BackfillReport> {
  const columns = [...table.columns.values()].filter((column) => column.element?.state === 'transition');
  if (columns.length === 0) throw new AnnotationError('NO_TRANSITION', { table: table.name });
  const rows = await new Backfill(parts, table, columns, options).run();
  return { table: table.displayName, rows, columns: columns.map((column) => column.name) };
}

const ATTEMPTS = 5;

class Backfill {
  private readonly waiting: WaitingRows;
  private readonly passes: TablePasses;

  constructor(
    private readonly parts: BackfillParts,
    private readonly table: Table,
    private readonly columns: readonly Column[],
    options: PassOptions,
  ) {
    this.waiting = new WaitingRows(parts.catalogue, table, columns);
    const chunk = new BackfillChunk(parts, table.name, columns, this.waiting);
    this.passes = new TablePasses(parts.transaction, table.sqlName, (...block) => chunk.run(...block), options);
  }

  async run(): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      await this.sealAll();
      if (await this.ended(attempt)) break;
    }
    await this.sampleAnew();
    return this.passes.rows;
  }

  /**
   * Passes over the whole table until one finds nothing. An update of another column leaves a waiting value as it is and moves
   * its row, perhaps to where a pass has been already.
   */
  private async sealAll(): Promise<void> {
    await this.parts.transaction((connection) => this.waiting.refuseNobodys(connection));
    for (let sealed = -1; sealed !== 0; ) sealed = await this.passes.once();
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
      await this.refuseWhatStays(error);
      if (attempt === ATTEMPTS) throw error;
      return false;
    }
  }

  /** @throws whatever another pass would not mend */
  private async refuseWhatStays(error: unknown): Promise<void> {
    if (isDuplicate(error)) return this.refuseDuplicates();
    if (!isNotValid(error)) throw error;
    await this.refuseCopies(error);
  }

  private refuseDuplicates(): Promise<void> {
    const again = `npx oubli backfill ${this.table.displayName}`;
    return this.parts.transaction((connection) =>
      refuseDuplicates(connection, this.table, this.columns, 'blind index', again),
    );
  }

  /** A table that was made like this one meanwhile has its types, and what was copied into it nobody seals. */
  private async refuseCopies({ schema, table, column }: NotValid): Promise<void> {
    const files = await this.passes.files();
    if (files.some((file) => file.schema === schema && file.table === table)) return;
    const { rows } = await this.parts.transaction((connection) =>
      connection.query(`select format('%I.%I', $1::text, $2::text) as copy`, [schema, table]),
    );
    throw new AnnotationError('COPY_WAITS', { table, column, copy: String(rows[0]?.copy), of: this.table.displayName });
  }

  /** The planner knows nothing of the new values and indexes yet: while plaintext was left, none of it was sampled. */
  private async sampleAnew(): Promise<void> {
    const files = await this.passes.files();
    for (const name of new Set([this.table.sqlName, ...files.map((file) => file.name)]))
      await this.parts.transaction((connection) => connection.query(`analyze ${name}`));
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

function isDuplicate(error: unknown): boolean {
  return (error as { code?: string }).code === '23505';
}
