/**
 * Somebody who has every byte of a server on disk, and some epoch keys, and knows the formats: she looks for wrapped keys and for sealed
 * values in files, in heap pages, TOAST, dead tuples, free space and write-ahead log alike, tries every epoch key on every key she finds,
 * and opens what they open. No SQL: what a server would show her of itself is not what is there.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { decode } from '../../src/crypto/codec';
import type { Engine } from '../../src/crypto/engine';
import { hasEnvelopeShape, isTombstone, parseEnvelope } from '../../src/crypto/envelope';
import { MAGIC, OVERHEAD, SUITE } from '../../src/crypto/layout';
import { Opener } from '../../src/crypto/open';
import { unwrapKey } from '../../src/crypto/subject-key';
import { OubliError } from '../../src/errors';

/** A row of the key store as it lies on disk. */
interface WrappedRow {
  readonly keyId: Buffer;
  readonly epoch: number;
  readonly wrapped: Buffer;
}

export class Adversary {
  private readonly rows = new Map<string, WrappedRow>();
  private readonly values = new Map<string, Buffer>();

  /** @param places folders of a server: a data directory, an archive of its log, a base backup */
  constructor(
    private readonly engine: Engine,
    private readonly instance: Uint8Array,
    places: readonly string[],
  ) {
    for (const place of places) for (const bytes of piecesOf(place)) this.search(bytes);
  }

  /** How much there is, whatever it is worth. */
  get found(): { readonly keys: number; readonly values: number } {
    return { keys: this.rows.size, values: this.values.size };
  }

  /** Every text that she reads with these epoch keys. */
  read(epochKeys: Iterable<Uint8Array>): Set<string> {
    const deks = this.unwrapped([...epochKeys]);
    const texts = new Set<string>();
    for (const value of this.values.values()) {
      const envelope = parseEnvelope(value);
      for (const dek of deks.get(name(envelope.keyId)) ?? []) {
        const opener = new Opener({ engine: this.engine, instance: this.instance });
        const decoded = orNothing(() => opener.read(envelope, dek, undefined, {}, decode));
        if (decoded && decoded.codec !== 'bytes') texts.add(decoded.text);
      }
    }
    return texts;
  }

  private search(bytes: Buffer): void {
    for (const row of wrappedRowsIn(bytes)) this.rows.set(row.wrapped.toString('latin1'), row);
    for (const value of sealedValuesIn(bytes)) this.values.set(value.toString('latin1'), Buffer.from(value));
  }

  private unwrapped(epochKeys: readonly Uint8Array[]): Map<string, Uint8Array[]> {
    const deks = new Map<string, Uint8Array[]>();
    for (const { keyId, epoch, wrapped } of this.rows.values()) {
      for (const kek of epochKeys) {
        const dek = orNothing(() => unwrapKey(this.engine, kek, wrapped, keyId, epoch));
        if (dek) deks.set(name(keyId), [...(deks.get(name(keyId)) ?? []), dek]);
      }
    }
    return deks;
  }
}

const name = (keyId: Uint8Array): string => Buffer.from(keyId).toString('hex');

/** What does not open is no find; anything but our own refusal is a fault. */
function orNothing<T>(attempt: () => T): T | undefined {
  try {
    return attempt();
  } catch (error) {
    if (error instanceof OubliError) return undefined;
    throw error;
  }
}

const SEGMENT = /^[0-9A-F]{24}$/;

/** Each file by itself; of the log all segments as one text, without the headers of its pages, which stand in the middle of rows. */
function* piecesOf(place: string): Iterable<Buffer> {
  const files = readdirSync(place, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const pathOf = (file: { parentPath: string; name: string }): string => path.join(file.parentPath, file.name);
  for (const file of files) if (!SEGMENT.test(file.name)) yield readIfThere(pathOf(file));
  const log = files.filter((file) => SEGMENT.test(file.name)).sort((a, b) => (a.name < b.name ? -1 : 1));
  yield Buffer.concat(log.flatMap((file) => pagesOf(readIfThere(pathOf(file)))));
}

/** A running server renames and removes files under the reader. */
function readIfThere(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

const LOG_PAGE = 8192;
/** XLogLongPageHeaderData at the beginning of a segment, XLogPageHeaderData elsewhere (src/include/access/xlog_internal.h). */
const [FIRST_HEADER, HEADER] = [40, 24];

/** Those that were written: the end of a segment may be empty. */
function pagesOf(segment: Buffer): Buffer[] {
  const pages: Buffer[] = [];
  for (let at = 0; at < segment.length; at += LOG_PAGE) {
    if (segment.readUInt16LE(at) === 0) continue;
    pages.push(segment.subarray(at + (at === 0 ? FIRST_HEADER : HEADER), at + LOG_PAGE));
  }
  return pages;
}

/** Lengths as PostgreSQL writes them before a short value (src/include/varatt.h): one byte, odd. */
const short = (length: number): number => ((length + 1) << 1) | 1;

/** A tuple of the key store: key id (16), epoch aligned to 4 bytes, wrapped key (72), fingerprint (16). */
function* wrappedRowsIn(bytes: Buffer): Iterable<WrappedRow> {
  for (let at = bytes.indexOf(short(72), 24); at >= 0; at = bytes.indexOf(short(72), at + 1)) {
    if (bytes[at - 24] !== short(16) || bytes[at + 73] !== short(16)) continue;
    if (bytes.readUIntBE(at - 7, 3) !== 0) continue;
    yield {
      keyId: Buffer.from(bytes.subarray(at - 23, at - 7)),
      epoch: bytes.readUInt32LE(at - 4),
      wrapped: Buffer.from(bytes.subarray(at + 1, at + 73)),
    };
  }
}

const BEGINNING = Buffer.of(...MAGIC, SUITE);

function* sealedValuesIn(bytes: Buffer): Iterable<Buffer> {
  const toasts = new Set<number>();
  for (let at = bytes.indexOf(BEGINNING, 12); at >= 0; at = bytes.indexOf(BEGINNING, at + 1)) {
    for (const value of valuesAt(bytes, at, toasts)) {
      if (value.length >= OVERHEAD && hasEnvelopeShape(value) && !isTombstone(parseEnvelope(value))) yield value;
    }
  }
}

/**
 * What stands before it says how long it is, in one byte or in four; or it is the first of several pieces in a TOAST table.
 * @param toasts ids of those that were put together already
 */
function valuesAt(bytes: Buffer, at: number, toasts: Set<number>): Buffer[] {
  const length = lengthBefore(bytes, at);
  if (length === CHUNK) {
    const id = bytes.readUInt32LE(at - 12);
    if (toasts.has(id)) return [];
    toasts.add(id);
    return [toasted(bytes, id, at)];
  }
  const byte = bytes[at - 1] as number;
  return [...(byte & 1 ? [byte >> 1] : []), ...(length ? [length + 1] : [])].map((end) =>
    bytes.subarray(at, at + end - 1),
  );
}

function lengthBefore(bytes: Buffer, at: number): number | undefined {
  const header = bytes.readUInt32LE(at - 4);
  return header & 3 ? undefined : (header >>> 2) - 4;
}

/** TOAST_MAX_CHUNK_SIZE of pages of 8 KiB. */
const CHUNK = 1996;
/** Pieces of one value are written one after the other. */
const NEAR = 64 * 1024;

/** A tuple of a TOAST table: the value's id, the number of the piece, the piece. */
function toasted(bytes: Buffer, id: number, at: number): Buffer {
  const near = bytes.subarray(Math.max(0, at - NEAR), at + NEAR);
  const pieces: Buffer[] = [];
  for (let piece = pieceOf(near, id, 0); piece; piece = pieceOf(near, id, pieces.length)) {
    pieces.push(piece);
    if (piece.length < CHUNK) break;
  }
  return Buffer.concat(pieces);
}

/** The longest: the index of the table has ids and numbers, too, and behind them something else. */
function pieceOf(bytes: Buffer, id: number, number: number): Buffer | undefined {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(id);
  head.writeUInt32LE(number, 4);
  let longest: Buffer | undefined;
  for (let at = bytes.indexOf(head); at >= 0 && at + 12 < bytes.length; at = bytes.indexOf(head, at + 1)) {
    const start = at + head.length;
    const byte = bytes[start] as number;
    const length = byte & 1 ? (byte >> 1) - 1 : lengthBefore(bytes, start + 4);
    if (length === undefined || length > CHUNK || length <= (longest?.length ?? 0)) continue;
    longest = bytes.subarray(start + (byte & 1 ? 1 : 4)).subarray(0, length);
  }
  return longest;
}
