/**
 * Interleaved rounds: plain, protected, plain, protected …, so that a machine whose speed drifts slows both alike. What is
 * reported is the median of the ratios of neighbours.
 */
export interface Work {
  readonly name: string;
  readonly title: string;
  /** Before each timed run of a side, not timed. */
  prepare?(side: 'plain' | 'protected'): Promise<void>;
  plain(): Promise<void>;
  protected(): Promise<void>;
}

export interface Measured {
  readonly name: string;
  readonly title: string;
  readonly ratio: number;
  readonly rounds: number;
  /** Medians, milliseconds. */
  readonly plainMs: number;
  readonly protectedMs: number;
}

export async function measure(work: Work, rounds: number): Promise<Measured> {
  const plain: number[] = [];
  const guarded: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const a = await timed(work, 'plain');
    const b = await timed(work, 'protected');
    if (round < 0) continue; // the first round warms caches and the just-in-time compiler
    plain.push(a);
    guarded.push(b);
  }
  const ratio = median(guarded.map((ms, i) => ms / (plain[i] ?? ms)));
  return { name: work.name, title: work.title, rounds, ratio, plainMs: median(plain), protectedMs: median(guarded) };
}

async function timed(work: Work, side: 'plain' | 'protected'): Promise<number> {
  await work.prepare?.(side);
  const start = performance.now();
  await work[side]();
  return performance.now() - start;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
