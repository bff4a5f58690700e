/**
 * Text as PostgreSQL can hold it: well-formed Unicode without NUL. Anything else is refused before any key work
 * (ENVELOPE.md E6): a lone surrogate would be encoded as U+FFFD, and what went in would not come out.
 */
import { InvalidValueError, type Names } from '../errors';
import { utf8After } from './bytes';

/** @throws {InvalidValueError} for anything but a string, a lone surrogate, or NUL */
export function storableText(value: unknown, names: Names): string {
  if (typeof value !== 'string') throw new InvalidValueError('VALUE_NOT_TEXT', { ...names, given: typeof value });
  refuseIllFormed(value, names);
  return value;
}

/** ECMAScript 2024, in Node since 20: the type library of a project that compiles these sources may be older. */
interface WellFormed {
  isWellFormed(): boolean;
}

/** @throws {InvalidValueError} for a lone surrogate, or NUL */
export function refuseIllFormed(text: string, names: Names): void {
  if (!(text as unknown as WellFormed).isWellFormed()) throw new InvalidValueError('VALUE_ILL_FORMED', names);
  if (text.includes('\0')) throw new InvalidValueError('VALUE_HAS_NUL', names);
}

/** The UTF-8 bytes of a text behind one byte that says what it is. */
export function encodeText(value: unknown, names: Names, tag: number): Uint8Array {
  return utf8After(tag, storableText(value, names));
}

/** Strict: bytes that are no UTF-8 throw, and a byte order mark is part of the text. */
export function decodeText(memory: Buffer, start: number, end: number): string {
  return isAscii(memory, start, end)
    ? memory.toString('latin1', start, end)
    : decoder.decode(memory.subarray(start, end));
}

/** Most of what is stored; it is read three times as fast as UTF-8 that has to be checked. */
function isAscii(memory: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if ((memory[i] as number) > 0x7f) return false;
  return true;
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
