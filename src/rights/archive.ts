/**
 * A ZIP that is written as it is read: each file is opened when its turn comes, and whoever closes the archive early closes
 * the file that is being read with it.
 */
import type { Readable } from 'node:stream';
import { ZipFile } from 'yazl';

export class Archive {
  private readonly zip = new ZipFile();
  /** What goes out; an error destroys it, so that a truncated archive never looks whole. */
  readonly output = this.zip.outputStream as Readable;
  private reading: Readable | undefined;
  private readonly closedEarly: Promise<never>;

  constructor() {
    this.closedEarly = new Promise((_, reject) => {
      this.output.once('close', () => {
        this.reading?.destroy();
        reject(new Error('the archive was closed before its end'));
      });
    });
    // Waited for by `until` only: an archive that ends well is closed too.
    this.closedEarly.catch(() => undefined);
  }

  /**
   * Adds a file. Files are read one after the other, in the order in which they were added.
   * @returns when it was read to its end
   */
  add(path: string, open: () => Readable | Promise<Readable>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.zip.addReadStreamLazy(path, (answer) => {
        Promise.resolve(open()).then((file) => {
          this.reading = file;
          file.once('end', resolve);
          file.once('error', (error) => {
            reject(error);
            this.output.destroy(error);
          });
          answer(null, file);
        }, reject);
      });
    });
  }

  /** No more files. */
  end(): void {
    this.zip.end();
  }

  /** What the work answers, unless the archive is closed before. */
  until<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.closedEarly]);
  }
}
