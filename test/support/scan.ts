/**
 * Looks for texts in files, byte by byte, as somebody would who holds a stolen disk: in the forms in which a text survives
 * in heap pages, write-ahead logs, server logs, dumps and sort files.
 *
 * A scan proves something only beside a positive control: a text that must be found with the same scan, in the same place.
 */
import { createReadStream, readdirSync, statSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import path from 'node:path';

/** A text that is looked for, in one of its forms. */
export interface Needle {
  /** What the reader of a finding is told: `her name`. Never the text itself. */
  readonly name: string;
  /** `utf-8`, `utf-16le`, `hex`, `base64` … */
  readonly form: string;
  readonly bytes: Buffer;
}

export interface Hit {
  readonly name: string;
  readonly form: string;
  readonly file: string;
  readonly offset: number;
}

export interface Scan {
  readonly files: number;
  readonly bytes: number;
  readonly hits: readonly Hit[];
}

/** A text as written, in lower and in upper case, in every form. */
export function needlesOf(name: string, text: string): Needle[] {
  const cases = new Set([text, text.toLowerCase(), text.toUpperCase()]);
  return distinct([...cases].flatMap((each) => formsOf(name, Buffer.from(each, 'utf8'), each)));
}

/** An address as text, and as the bytes of PostgreSQL's `inet`: header, family, prefix length, address. */
export function needlesOfAddress(name: string, address: string): Needle[] {
  const bytes = isIPv4(address) ? v4Bytes(address) : v6Bytes(address);
  const family = bytes.length === 4 ? [0x0f, 2, 32] : [0x27, 3, 128];
  const stored = Buffer.from([...family, ...bytes]);
  return [...needlesOf(name, address), { name, form: 'inet', bytes: stored }];
}

/** Bytes as they are, and as text prints them: a key, a sealed value. */
export function needlesOfBytes(name: string, bytes: Buffer): Needle[] {
  return distinct([{ name, form: 'bytes', bytes }, ...printedForms(name, bytes)]);
}

/** Every place where one of the needles stands in the files, or in the files below the folders. */
export async function scan(places: readonly string[], needles: readonly Needle[]): Promise<Scan> {
  const hits: Hit[] = [];
  let bytes = 0;
  const index = new PrefixIndex(needles);
  const files = places.flatMap(filesBelow);
  for (const file of files) {
    const pieces = createReadStream(file, { highWaterMark: CHUNK });
    bytes += await scanStream(pieces, index, ({ name, form }, offset) => hits.push({ name, form, file, offset }));
  }
  return { files: files.length, bytes, hits };
}

/** The same for a text that stands in no file: what a query answered. */
export function scanText(text: string, needles: readonly Needle[]): string[] {
  const haystack = Buffer.from(text, 'utf8');
  return [...new Set(needles.filter(({ bytes }) => haystack.includes(bytes)).map(({ name }) => name))];
}

/** The same for bytes that come one piece after the other from elsewhere. @returns how many were looked at */
export function scanPieces(
  pieces: AsyncIterable<Buffer>,
  needles: readonly Needle[],
  found: (needle: Needle, offset: number) => void,
): Promise<number> {
  return scanStream(pieces, new PrefixIndex(needles), found);
}

const CHUNK = 4 * 1024 * 1024;
const SHORTEST = 4;

/** Every position is looked at once: as soon as the longest needle would fit behind it, or the end is reached. */
async function scanStream(pieces: AsyncIterable<Buffer>, index: PrefixIndex, found: Found): Promise<number> {
  let waiting: Buffer = Buffer.alloc(0);
  let read = 0;
  for await (const piece of pieces) {
    const window = waiting.length === 0 ? piece : Buffer.concat([waiting, piece]);
    const ready = Math.max(0, window.length - index.longest + 1);
    index.search(window, ready, (needle, at) => found(needle, read - waiting.length + at));
    waiting = window.subarray(ready);
    read += piece.length;
  }
  index.search(waiting, waiting.length, (needle, at) => found(needle, read - waiting.length + at));
  return read;
}

type Found = (needle: Needle, offset: number) => void;

/** Needles by their first two bytes: one look-up per position, however many needles there are. */
class PrefixIndex {
  readonly longest: number;
  private readonly byPrefix: (Needle[] | undefined)[] = new Array(65536);

  constructor(needles: readonly Needle[]) {
    this.longest = Math.max(...needles.map(({ bytes }) => bytes.length));
    for (const needle of needles) {
      if (needle.bytes.length < SHORTEST) throw new Error(`${needle.name}: too short to be looked for`);
      const prefix = needle.bytes.readUInt16BE(0);
      this.byPrefix[prefix] = [...(this.byPrefix[prefix] ?? []), needle];
    }
  }

  /** Needles that begin before `end`. */
  search(window: Buffer, end: number, found: Found): void {
    let prefix = window[0] ?? 0;
    for (let at = 0; at < end && at + 1 < window.length; at++) {
      prefix = ((prefix << 8) | (window[at + 1] as number)) & 0xffff;
      const candidates = this.byPrefix[prefix];
      if (!candidates) continue;
      for (const needle of candidates) if (standsAt(window, at, needle.bytes)) found(needle, at);
    }
  }
}

function standsAt(window: Buffer, at: number, bytes: Buffer): boolean {
  if (at + bytes.length > window.length) return false;
  let i = 0; // nearly always it ends at the third byte
  while (i < bytes.length && window[at + i] === bytes[i]) i++;
  return i === bytes.length;
}

/** A running server renames and removes files under the reader: what is gone meanwhile is passed over. */
function filesBelow(place: string): string[] {
  const stats = statSync(place, { throwIfNoEntry: false });
  if (!stats) return [];
  if (!stats.isDirectory()) return stats.isFile() ? [place] : [];
  return readdirSync(place).flatMap((name) => filesBelow(path.join(place, name)));
}

function formsOf(name: string, utf8: Buffer, text: string): Needle[] {
  const little = Buffer.from(text, 'utf16le');
  const big = Buffer.from(little).swap16();
  return [
    { name, form: 'utf-8', bytes: utf8 },
    { name, form: 'utf-16le', bytes: little },
    { name, form: 'utf-16be', bytes: big },
    ...printedForms(name, utf8),
  ];
}

function printedForms(name: string, bytes: Buffer): Needle[] {
  const hex = bytes.toString('hex');
  return [
    { name, form: 'hex', bytes: Buffer.from(hex) },
    { name, form: 'hex', bytes: Buffer.from(hex.toUpperCase()) },
    ...[0, 1, 2].flatMap((before) => base64At(name, bytes, before)),
  ];
}

/** Base64 has three spellings of a text that stands inside a longer one; the characters shared with neighbours are cut off. */
function base64At(name: string, bytes: Buffer, before: number): Needle[] {
  const padded = Buffer.concat([Buffer.alloc(before), bytes]);
  const whole = Math.floor(padded.length / 3) * 4;
  const first = before === 0 ? 0 : 4;
  return (['base64', 'base64url'] as const).map((form) => ({
    name,
    form,
    bytes: Buffer.from(padded.toString(form).slice(first, whole)),
  }));
}

function distinct(needles: readonly Needle[]): Needle[] {
  const seen = new Map(needles.map((needle) => [needle.bytes.toString('latin1'), needle]));
  return [...seen.values()];
}

function v4Bytes(address: string): number[] {
  return address.split('.').map(Number);
}

function v6Bytes(address: string): number[] {
  const [head = '', tail] = address.split('::');
  const left = groupsOf(head);
  const right = groupsOf(tail ?? '');
  const gap = tail === undefined ? 0 : 8 - left.length - right.length;
  return [...left, ...Array<number>(gap).fill(0), ...right].flatMap((group) => [group >> 8, group & 255]);
}

function groupsOf(part: string): number[] {
  if (part === '') return [];
  return part.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = v4Bytes(group);
    return [(a << 8) | b, (c << 8) | d];
  });
}
