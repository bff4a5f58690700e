/**
 * JSON whose keys never become texts. JavaScript's texts cannot be overwritten and V8 moves them about, so that a key that was one is
 * in the memory of the process for as long as that lives; bytes can be overwritten. Every text of the JSON that is longer than a name is
 * left out before it is parsed, and put back when it is printed.
 */
import { asBuffer, wipe } from '../crypto/bytes';

/** Nobody's character (Unicode's private use area): a document that has it is none of ours. */
const MARK = '\ue000';
const MARKED = /"\ue000(\d+)\ue000"/;
/** The longest text that is no key: 32 bytes of base64 are 44 characters. */
const LONGEST_NAME = 20;
const [QUOTE, BACKSLASH] = [0x22, 0x5c];

export class SecretJson {
  /** As `JSON.parse` gives it, but for the long texts. @throws SyntaxError, which quotes nothing secret */
  readonly value: unknown;
  private readonly hidden: Uint8Array[] = [];

  /** @param json UTF-8; stays the caller's, to be overwritten */
  constructor(json: Uint8Array) {
    if (asBuffer(json).includes(MARK)) throw new SyntaxError('not a document of ours');
    const parts: Uint8Array[] = [];
    let from = 0;
    for (const [start, end] of longTexts(json)) {
      parts.push(json.subarray(from, start), Buffer.from(this.hide(Buffer.from(json.subarray(start, end)))));
      from = end;
    }
    parts.push(json.subarray(from));
    this.value = JSON.parse(Buffer.concat(parts).toString('utf8'));
  }

  /** What stands for bytes of base64 in a value that is to be printed. @param text overwritten by `wipe()` */
  hide(text: Uint8Array): string {
    return `${MARK}${this.hidden.push(text) - 1}${MARK}`;
  }

  /** The long text for which a part of `value` stands, without its quotes; undefined where it stands for none. */
  textOf(part: unknown): Uint8Array | undefined {
    const [, place] = MARKED.exec(`"${part}"`) ?? [];
    return place === undefined ? undefined : this.hidden[Number(place)];
  }

  /** A value with its long texts, indented; to be overwritten by whoever asks. */
  printed(value: object): Buffer {
    const pieces = `${JSON.stringify(value, null, 2)}\n`.split(MARKED);
    return Buffer.concat(
      pieces.flatMap((piece, i) => (i % 2 === 0 ? [Buffer.from(piece)] : this.quoted(Number(piece)))),
    );
  }

  private quoted(place: number): Uint8Array[] {
    return [Buffer.of(QUOTE), this.hidden[place] as Uint8Array, Buffer.of(QUOTE)];
  }

  /** Overwrites the long texts. */
  wipe(): void {
    for (const text of this.hidden) wipe(text);
  }
}

/** Where they begin and end, without their quotes. */
function* longTexts(json: Uint8Array): Iterable<[start: number, end: number]> {
  for (let start = json.indexOf(QUOTE) + 1; start > 0; ) {
    let end = start;
    while (end < json.length && json[end] !== QUOTE) end += json[end] === BACKSLASH ? 2 : 1;
    if (end - start > LONGEST_NAME) yield [start, Math.min(end, json.length)];
    start = json.indexOf(QUOTE, end + 1) + 1;
  }
}
