/**
 * Opens the rows of a cursor on their way to the application, some at a time so that one key query serves many subjects.
 * Back-pressure holds because a batch is passed on only when it is open; ending either side early ends the other.
 */
import { Transform, type TransformCallback } from 'node:stream';
import type { Row } from '../queryable';
import type { Field } from './internals';

const BATCH = 100;

/** The part of `pg-query-stream` used here. */
interface RowSource extends NodeJS.ReadableStream {
  destroy?(): void;
  readonly cursor?: { readonly _result?: { readonly fields?: readonly Field[] } };
}

interface Ending {
  once(event: 'end', listener: () => void): unknown;
  removeListener(event: 'end', listener: () => void): unknown;
}

export class OpeningStream extends Transform {
  private waiting: Row[] = [];
  private source: RowSource | undefined;

  /**
   * @param open opens rows in place
   * @param translate what to raise instead of an error of the database
   */
  constructor(
    private readonly open: (rows: Row[], fields: readonly Field[]) => Promise<unknown>,
    private readonly translate: (error: unknown) => unknown,
  ) {
    super({ objectMode: true });
    this.once('pipe', (source: RowSource) => {
      this.source = source;
      source.once('error', (error) => this.destroy(error));
      this.once('close', () => source.destroy?.());
    });
  }

  /**
   * Stands between a cursor and the application's stream until either ends.
   * @param connection what the cursor stands on: once it is cut, `pg-cursor` waits for it without end
   * @param run starts the cursor, which pipes its rows in here
   * @throws what went wrong, after the application's stream was told, once
   */
  between(target: NodeJS.WritableStream, connection: Ending, run: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      let failed = false;
      const fail = (error: unknown): void => {
        // Knex 3.1 rejects without an error when a cursor has read its first rows
        if (failed || !error) return;
        failed = true;
        const raised = this.translate(error);
        target.emit('error', raised);
        reject(raised);
      };
      const cut = (): void => {
        fail(new Error('Connection terminated unexpectedly'));
        this.destroy();
        (target as Transform).destroy();
      };
      connection.once('end', cut);
      this.on('error', fail);
      this.once('close', () => connection.removeListener('end', cut));
      this.once('close', resolve);
      this.pipe(target);
      run().catch(fail);
    });
  }

  override _transform(row: Row, _encoding: BufferEncoding, done: TransformCallback): void {
    this.waiting.push(row);
    if (this.waiting.length < BATCH) done();
    else this.passOn(done);
  }

  override _flush(done: TransformCallback): void {
    this.passOn(done);
  }

  private passOn(done: TransformCallback): void {
    const rows = this.waiting;
    this.waiting = [];
    this.open(rows, this.source?.cursor?._result?.fields ?? []).then(
      () => {
        for (const row of rows) this.push(row);
        done();
      },
      (error: Error) => done(error),
    );
  }
}
