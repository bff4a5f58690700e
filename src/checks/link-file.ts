/**
 * The links of an exported ledger by their position, in a file of its own that has no name and ends with the process: ten million of them
 * take 320 MB, which nobody should have to hold to compare them with a journal.
 */
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const LINK_BYTES = 32;
const OWNER_ONLY = 0o600;
/** Written, as one. */
const AT_ONCE = 4096;

export class LinkFile {
  /** Links one behind the other, not written yet, and the position of the first. */
  private waiting: Uint8Array[] = [];
  private first = 1;

  private constructor(private readonly file: FileHandle) {}

  /** Gone from its folder before anything is written. */
  static async make(): Promise<LinkFile> {
    const folder = await mkdtemp(path.join(tmpdir(), 'oubli-links-'));
    try {
      return new LinkFile(await open(path.join(folder, 'links'), 'wx+', OWNER_ONLY));
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  /** @param position from 1 @param link 32 bytes */
  async put(position: number, link: Uint8Array): Promise<void> {
    const isNext = position === this.first + this.waiting.length;
    if (!isNext || this.waiting.length >= AT_ONCE) await this.flush();
    if (this.waiting.length === 0) this.first = position;
    this.waiting.push(link);
  }

  /** Hex, by position; none for a position that has no link. */
  async at(positions: readonly number[]): Promise<Map<number, string>> {
    await this.flush();
    const found = new Map<number, string>();
    for (const [first, last] of runsOf(positions)) {
      const size = (last - first + 1) * LINK_BYTES;
      const { buffer, bytesRead } = await this.file.read(Buffer.alloc(size), 0, size, placeOf(first));
      for (let at = 0; at + LINK_BYTES <= bytesRead; at += LINK_BYTES) {
        const link = buffer.subarray(at, at + LINK_BYTES);
        if (!isHole(link)) found.set(first + at / LINK_BYTES, link.toString('hex'));
      }
    }
    return found;
  }

  async end(): Promise<void> {
    await this.file.close();
  }

  private async flush(): Promise<void> {
    const links = this.waiting;
    this.waiting = [];
    if (links.length > 0) await this.file.write(Buffer.concat(links), 0, undefined, placeOf(this.first));
  }
}

/** Positions one behind the other, as first and last: nearly all that a journal asks for at once. */
function runsOf(positions: readonly number[]): [first: number, last: number][] {
  const runs: [number, number][] = [];
  for (const position of [...new Set(positions.filter((each) => each > 0))].sort((a, b) => a - b)) {
    const run = runs.at(-1);
    if (run && position === run[1] + 1) run[1] = position;
    else runs.push([position, position]);
  }
  return runs;
}

function placeOf(position: number): number {
  return (position - 1) * LINK_BYTES;
}

/** No link is all zeros, for each is a digest. */
function isHole(link: Buffer): boolean {
  return link.every((byte) => byte === 0);
}
