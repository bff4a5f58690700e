/**
 * Padding hides how long a value is: before it is sealed it is filled up to one of a few lengths. The class is chosen
 * per element and written in the envelope's flags; equal class gives equal lengths (ENVELOPE.md E7).
 *
 * Bytes after ISO/IEC 7816-4: 0x80, then zeros. Lengths: multiples of 16, 32 or 64, or PADMÉ (Nikitin et al., PETS
 * 2019), which leaks O(log log n) bits of a length and adds at most 12 %.
 */

/** The position is what the flag bits 2-4 hold. It can never change again. */
export const PADDINGS = ['none', '16', '32', '64', 'padme'] as const;
export type Padding = (typeof PADDINGS)[number];

const MARK = 0x80;

/** The payload filled up to a length of its class; itself where the class is none, an array for the caller to wipe otherwise. */
export function pad(padding: Padding, payload: Uint8Array): Uint8Array {
  if (padding === 'none') return payload;
  const padded = new Uint8Array(paddedLength(padding, payload.length));
  padded.set(payload);
  padded[payload.length] = MARK;
  return padded;
}

/** Where the payload ends of what is padded from `start` to `end`; undefined when it is not what `pad` would have made. */
export function payloadEnd(padding: Padding, memory: Uint8Array, start: number, end: number): number | undefined {
  if (padding === 'none') return end;
  let mark = end - 1;
  while (mark > start && memory[mark] === 0) mark--;
  return memory[mark] === MARK && paddedLength(padding, mark - start) === end - start ? mark : undefined;
}

export function paddedLength(padding: Padding, length: number): number {
  switch (padding) {
    case 'none':
      return length;
    case 'padme':
      return padme(length + 1);
    default:
      return roundUp(length + 1, Number(padding));
  }
}

/** PADMÉ keeps only as many leading bits of a length as it takes to say how long the length is. */
function padme(length: number): number {
  if (length < 2) return length;
  const exponent = bitLength(length) - 1;
  return roundUp(length, 2 ** (exponent - bitLength(exponent)));
}

function bitLength(n: number): number {
  return 32 - Math.clz32(n);
}

function roundUp(length: number, step: number): number {
  return Math.ceil(length / step) * step;
}
