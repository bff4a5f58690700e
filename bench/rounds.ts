/**
 * Interleaved rounds: plain, tried, tried, plain, plain, tried …, so that a machine whose speed drifts slows both alike, and
 * neither always finds the caches as the other left them. What is reported is the median of the ratios of neighbours.
 */
export interface Side {
  /** Before each timed run, not timed. @param round numbers the runs of a side; no two are alike */
  prepare?(round: number): Promise<void>;
  run(round: number): Promise<void>;
}

export interface Work {
  readonly name: string;
  readonly title: string;
  /** The ratio that was promised; undefined where the row is there for comparison only. */
  readonly atMost: number | undefined;
  readonly rounds: number;
  readonly plain: Side;
  readonly tried: Side;
}

export interface Measured {
  readonly name: string;
  readonly title: string;
  readonly atMost: number | undefined;
  /** What the p99 of the tried side was promised to stay under, milliseconds. */
  readonly atMostMs?: number;
  /** Where more is better. */
  readonly atLeast?: number;
  readonly rounds: number;
  /** Median of the rounds' ratios. */
  readonly ratio: number;
  /** First and third quartile of the rounds' ratios: what half of the rounds lie between. */
  readonly between: readonly [number, number];
  /** Medians, milliseconds. */
  readonly plainMs: number;
  readonly triedMs: number;
}

/** Untimed, at the beginning: it warms caches and the just-in-time compiler. */
const WARMING = 1;

export async function measure(work: Work): Promise<Measured> {
  const plain: number[] = [];
  const tried: number[] = [];
  for (let round = 0; round < WARMING + work.rounds; round++) {
    const pair = await timedPair(work, round);
    if (round < WARMING) continue;
    plain.push(pair.plain);
    tried.push(pair.tried);
  }
  const ratios = tried.map((ms, i) => ms / (plain[i] ?? ms));
  const { name, title, atMost, rounds } = work;
  return {
    ...{ name, title, atMost, rounds },
    ratio: quantile(ratios, 0.5),
    between: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
    plainMs: quantile(plain, 0.5),
    triedMs: quantile(tried, 0.5),
  };
}

async function timedPair(work: Work, round: number): Promise<{ plain: number; tried: number }> {
  if (round % 2 === 0) {
    const plain = await timed(work.plain, round);
    return { plain, tried: await timed(work.tried, round) };
  }
  const tried = await timed(work.tried, round);
  return { plain: await timed(work.plain, round), tried };
}

async function timed(side: Side, round: number): Promise<number> {
  await side.prepare?.(round);
  globalThis.gc?.(); // with --expose-gc: one side does not pay for the garbage of the other
  const start = performance.now();
  await side.run(round);
  return performance.now() - start;
}

/** Linear between neighbours, as `percentile_cont` of PostgreSQL. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * share;
  const [below, above] = [sorted[Math.floor(place)] ?? Number.NaN, sorted[Math.ceil(place)] ?? Number.NaN];
  return below + (above - below) * (place - Math.floor(place));
}
