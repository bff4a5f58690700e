/**
 * The memory of another process, as whoever may debug it sees it: heaps, stacks and WebAssembly alike, with the process stopped
 * meanwhile (proc_pid_mem(5), proc_pid_pagemap(5)). Only Linux has it.
 */
import { existsSync } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { type Needle, scanPieces } from './scan';

/** A needle, its form, and the mapping it stood in. */
export interface Trace {
  readonly name: string;
  readonly form: string;
  readonly mapping: string;
}

export const HAS_MEMORY_FILES = existsSync('/proc/self/mem') && existsSync('/proc/self/pagemap');

const PAGE = 4096;
const MOST_PAGES = 2048;
/** The kernel's own pages in every process: no memory of the program. */
const OF_THE_KERNEL = /\[(vvar|vsyscall|vdso|vvar_vclock)\]/;

/** @returns each needle once for each mapping that holds it; and how many bytes were looked at */
export async function searchMemory(
  pid: number,
  needles: readonly Needle[],
): Promise<{ traces: Trace[]; bytes: number }> {
  process.kill(pid, 'SIGSTOP');
  const memory = await open(`/proc/${pid}/mem`, 'r');
  const pages = await open(`/proc/${pid}/pagemap`, 'r');
  try {
    const found = new Map<string, Trace>();
    let bytes = 0;
    for (const mapping of await mappingsOf(pid)) {
      bytes += await scanPieces(piecesOf(memory, pages, mapping), needles, ({ name, form }) =>
        found.set(`${name} ${form} ${mapping.name}`, { name, form, mapping: mapping.name }),
      );
    }
    return { traces: [...found.values()], bytes };
  } finally {
    await memory.close();
    await pages.close();
    process.kill(pid, 'SIGCONT');
  }
}

interface Mapping {
  readonly start: number;
  readonly end: number;
  readonly name: string;
}

/** What a process cannot write to holds what stands in the file. */
async function mappingsOf(pid: number): Promise<Mapping[]> {
  const lines = (await readFile(`/proc/${pid}/maps`, 'utf8')).split('\n');
  return lines.flatMap((line) => {
    const [, start = '', end = '', rights = '', name = ''] = /^(\w+)-(\w+) (\S+) \S+ \S+ \S+ *(.*)$/.exec(line) ?? [];
    const isFileOnly = name.startsWith('/') && !rights.includes('w');
    if (!rights.startsWith('r') || isFileOnly || OF_THE_KERNEL.test(name)) return [];
    return [{ start: Number.parseInt(start, 16), end: Number.parseInt(end, 16), name: name || 'anonymous' }];
  });
}

/** Runs of pages that there are: most of what V8 reserves was never touched. */
async function* piecesOf(memory: FileHandle, pages: FileHandle, { start, end }: Mapping): AsyncIterable<Buffer> {
  for (let at = start; at < end; at += MOST_PAGES * PAGE) {
    const count = Math.min(MOST_PAGES, (end - at) / PAGE);
    const flags = Buffer.alloc(count * 8);
    await pages.read(flags, 0, flags.length, (at / PAGE) * 8);
    for (const [first, last] of runsOf(flags)) {
      const piece = Buffer.alloc((last - first) * PAGE);
      await memory.read(piece, 0, piece.length, at + first * PAGE);
      yield piece;
    }
  }
}

/** Present or swapped out: bits 63 and 62. */
function* runsOf(flags: Buffer): Iterable<[first: number, last: number]> {
  const count = flags.length / 8;
  const isThere = (page: number): boolean => page < count && (flags[page * 8 + 7] as number) >> 6 !== 0;
  for (let page = 0; page < count; page++) {
    if (!isThere(page)) continue;
    const first = page;
    while (isThere(page)) page++;
    yield [first, page];
  }
}
