/**
 * Passes over all rows of a table, a few blocks per transaction: what a backfill, and the way back out, do to it. By block range,
 * because a search for what is left would read the table again from its start for every chunk; so it may end anywhere, and the
 * next pass finds what is left.
 */
import type { Queryable } from '../queryable';
import { Throttle } from './throttle';

/** Blocks of the table per transaction: some 1,000 rows. */
const BLOCKS = 16;
const ATTEMPTS = 5;

/** A part of the table that has rows of its own: the table itself, a partition, or what inherits from it. */
export interface TableFile {
  /** As it stands in SQL. */
  readonly name: string;
  readonly schema: string;
  readonly table: string;
  readonly blocks: number;
}

/** How far a conversion has come: told after each chunk. */
export interface Progress {
  /** 1 for the pass that does nearly all; later ones look for rows that were moved meanwhile. */
  readonly pass: number;
  /** Blocks of the table (8 kB each) that this pass has been through, and how many there are. */
  readonly done: number;
  readonly of: number;
  /** Rows converted so far. */
  readonly rows: number;
}

export interface PassOptions {
  /** The share of the time that is spent working, 0.5 unless said otherwise; 1 for as fast as it goes. */
  readonly load?: number;
  /** Told after each chunk how far it is. */
  readonly onProgress?: (progress: Progress) => void;
}

/** What is done to the rows of a file between two blocks. @returns how many rows were converted */
export type Chunk = (connection: Queryable, file: TableFile, from: number, to: number) => Promise<number>;

export type Transaction = <T>(work: (connection: Queryable) => Promise<T>) => Promise<T>;

/** Each counts its blocks from the start, so each is gone through by itself. */
const FILES = `
select c.oid::regclass::text as name, n.nspname as schema, c.relname as table,
       pg_relation_size(c.oid) / current_setting('block_size')::bigint as blocks
from oubli.family($1::regclass) f join pg_catalog.pg_class c on c.oid = f.rel
join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' order by c.oid`;

export async function tableFiles(connection: Queryable, table: string): Promise<TableFile[]> {
  const { rows } = await connection.query(FILES, [table]);
  return rows.map((row) => ({ ...(row as unknown as TableFile), blocks: Number(row.blocks) }));
}

/** On one connection, in its transaction: every block of every file. */
export async function throughAll(connection: Queryable, table: string, chunk: Chunk): Promise<number> {
  let rows = 0;
  for (const file of await tableFiles(connection, table)) {
    for (let from = 0; from < file.blocks; from += BLOCKS) rows += await chunk(connection, file, from, from + BLOCKS);
  }
  return rows;
}

export class TablePasses {
  private readonly throttle: Throttle;
  private passes = 0;
  private total = 0;

  constructor(
    private readonly transaction: Transaction,
    /** Its name in SQL. */
    private readonly table: string,
    private readonly chunk: Chunk,
    private readonly options: PassOptions = {},
  ) {
    this.throttle = new Throttle(options.load);
  }

  /** Rows that were converted in all passes so far. */
  get rows(): number {
    return this.total;
  }

  files(): Promise<TableFile[]> {
    return this.transaction((connection) => tableFiles(connection, this.table));
  }

  /** @returns how many rows this pass converted */
  async once(): Promise<number> {
    this.passes += 1;
    const before = this.total;
    const files = await this.files();
    const of = files.reduce((sum, { blocks }) => sum + blocks, 0);
    let done = 0;
    for (const file of files) {
      for (let from = 0; from < file.blocks; from += BLOCKS) {
        await this.convert(file, from);
        const now = done + Math.min(from + BLOCKS, file.blocks);
        this.options.onProgress?.({ pass: this.passes, done: now, of, rows: this.total });
      }
      done += file.blocks;
    }
    return this.total - before;
  }

  /** Again where PostgreSQL broke a deadlock with the application at our cost: the rows of the chunk are as they were. */
  private async convert(file: TableFile, from: number, attempt = 1): Promise<void> {
    const work = (): Promise<number> =>
      this.transaction((connection) => this.chunk(connection, file, from, from + BLOCKS));
    try {
      this.total += await this.throttle.after(work);
    } catch (error) {
      if (!isDeadlock(error) || attempt === ATTEMPTS) throw error;
      await this.convert(file, from, attempt + 1);
    }
  }
}

function isDeadlock(error: unknown): boolean {
  return (error as { code?: string }).code === '40P01';
}
