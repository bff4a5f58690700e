/**
 * The journal as a file that every process of the application may append to: whole lines, each batch in one write behind the end
 * (POSIX `O_APPEND`), on the disk before it counts. It belongs on another disk than the database, and into other backups.
 */
import { createReadStream } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterwards } from '../afterwards';
import type { Journal } from './journal';

const OWNER_ONLY = 0o600;
/** More than any line of ours has; most have half of it. */
const BYTES_PER_LINE = 512;
const LINE_FEED = 0x0a;

/**
 * @param options.file its path; made with the first line, readable by its owner only
 * @example await oubli(knex, { keys, journal: fileJournal({ file: '/var/lib/app/oubli.journal' }) });
 */
export function fileJournal({ file }: { file: string }): Journal {
  const name = path.resolve(file);
  return {
    name,
    append: (lines) => append(name, lines),
    read: ({ last } = {}) => read(name, last),
  };
}

async function append(file: string, lines: readonly string[]): Promise<void> {
  const handle = await open(file, 'a+', OWNER_ONLY);
  await afterwards(
    async () => {
      // a line that was torn when the disk was full, or the power gone, must not spoil the one behind it
      const text = `${(await endsWithLine(handle)) ? '' : '\n'}${lines.join('\n')}\n`;
      await handle.appendFile(text);
      await handle.sync();
    },
    () => handle.close(),
  );
}

async function endsWithLine(handle: FileHandle): Promise<boolean> {
  const { size } = await handle.stat();
  if (size === 0) return true;
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer[0] === LINE_FEED;
}

async function* read(file: string, last: number | undefined): AsyncGenerator<string> {
  const size = await sizeOf(file);
  if (size === 0) return;
  const start = last === undefined ? 0 : Math.max(0, size - last * BYTES_PER_LINE);
  let isPart = start > 0;
  for await (const line of createInterface({ input: createReadStream(file, { start }), crlfDelay: Infinity })) {
    if (!isPart && line !== '') yield line;
    isPart = false;
  }
}

/** A file that is not there yet has no lines; any other difficulty is one. */
async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return 0;
      throw error;
    },
  );
}
