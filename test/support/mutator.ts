/**
 * Bytes that were right once, drawn from a seed: bits flipped, pieces cut, doubled, zeroed, exchanged with those of others, lengths and
 * numbers in them changed; now and then something made up from the beginning.
 */
type Change = (bytes: Buffer) => Buffer;

export class Mutator {
  private state: number;

  /** @param samples what is mutated, and spliced with one another */
  constructor(
    seed: number,
    private readonly samples: readonly Buffer[],
  ) {
    this.state = seed;
  }

  /** Up to four changes of one of the samples. */
  next(): Buffer {
    let bytes: Buffer = Buffer.from(this.oneOf(this.samples));
    for (let changes = 1 + this.below(4); changes > 0; changes--) bytes = this.oneOf(this.changes)(bytes);
    return bytes;
  }

  private readonly changes: readonly Change[] = [
    (bytes) => this.at(bytes, (place) => bytes.writeUInt8((bytes[place] as number) ^ (1 << this.below(8)), place)),
    (bytes) => this.at(bytes, (place) => bytes.writeUInt8(this.below(256), place)),
    // what says what the rest is: magic, suite, flags, element
    (bytes) => this.at(bytes.subarray(0, 8), (place) => bytes.writeUInt8(this.below(256), place)) && bytes,
    (bytes) => bytes.subarray(0, this.below(bytes.length + 1)),
    (bytes) => bytes.subarray(this.below(bytes.length + 1)),
    (bytes) => Buffer.concat([bytes, this.madeUp(this.below(64))]),
    (bytes) => Buffer.concat([bytes, bytes.subarray(-this.below(32))]),
    (bytes) =>
      this.within(bytes, (start) =>
        Buffer.concat([bytes.subarray(0, start), this.madeUp(this.below(16)), bytes.subarray(start)]),
      ),
    (bytes) => this.within(bytes, (start, end) => Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)])),
    (bytes) => this.within(bytes, (start, end) => Buffer.from(bytes).fill(this.oneOf([0, 0xff]), start, end)),
    (bytes) =>
      this.within(bytes, (start, end) => Buffer.from(bytes.copyWithin(this.below(bytes.length), start, end) && bytes)),
    (bytes) => this.spliced(bytes),
    (bytes) => this.spliced(bytes),
    () => Buffer.concat([Buffer.of(0xa7, 0x0b, 1, this.below(64)), this.madeUp(this.below(400))]),
  ];

  /** A field of another sample, at the same place. */
  private spliced(bytes: Buffer): Buffer {
    const other = this.oneOf(this.samples);
    return this.within(bytes, (start, end) =>
      Buffer.concat([bytes.subarray(0, start), other.subarray(start, end), bytes.subarray(end)]),
    );
  }

  private at(bytes: Buffer, change: (place: number) => void): Buffer {
    if (bytes.length > 0) change(this.below(bytes.length));
    return bytes;
  }

  private within(bytes: Buffer, change: (start: number, end: number) => Buffer): Buffer {
    const [one, two] = [this.below(bytes.length + 1), this.below(bytes.length + 1)];
    return change(Math.min(one, two), Math.max(one, two));
  }

  private madeUp(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }

  private oneOf<T>(some: readonly T[]): T {
    return some[this.below(some.length)] as T;
  }

  /** mulberry32: small, and the same everywhere. */
  private below(limit: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % Math.max(1, limit);
  }
}
