/**
 * Opens the rows of a cursor on their way to the application, some at a time so that one key query serves many subjects.
 * Back-pressure holds because a batch is passed on only when it is open; ending either side early ends the other.
 */
import { Transform, type TransformCallback } from 'node:stream';
import type { Row } from '../queryable';

const BATCH = 100;

export class OpeningStream extends Transform {
  private waiting: Row[] = [];

  constructor(private readonly open: (rows: Row[]) => Promise<void>) {
    super({ objectMode: true });
    this.once('pipe', (source: NodeJS.ReadableStream & { destroy?: () => void }) => {
      source.once('error', (error) => this.destroy(error));
      this.once('close', () => source.destroy?.());
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
    this.open(rows).then(
      () => {
        for (const row of rows) this.push(row);
        done();
      },
      (error: Error) => done(error),
    );
  }
}
