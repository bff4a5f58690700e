/** Reads a ZIP with yauzl, a reader that is none of ours. */
import { buffer } from 'node:stream/consumers';
import { fromBuffer } from 'yauzl';

/** Every file of the archive by its path, in the order in which they stand. */
export async function unzip(stream: NodeJS.ReadableStream): Promise<Map<string, Buffer>> {
  const bytes = await buffer(stream);
  const files = new Map<string, Buffer>();
  await new Promise<void>((resolve, reject) => {
    fromBuffer(bytes, { lazyEntries: true }, (error, zip) => {
      if (error) return reject(error);
      zip.once('end', resolve);
      zip.once('error', reject);
      zip.on('entry', (entry) => {
        zip.openReadStream(entry, (failure, file) => {
          if (failure) return reject(failure);
          buffer(file).then((content) => {
            files.set(entry.fileName, content);
            zip.readEntry();
          }, reject);
        });
      });
      zip.readEntry();
    });
  });
  return files;
}
