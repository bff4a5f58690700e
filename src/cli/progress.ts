/**
 * How far a long conversion is: a bar with an estimate where somebody looks at a terminal, else a plain line for each tenth, as a
 * log wants it.
 */
import { Presets, SingleBar } from 'cli-progress';
import type { Progress } from '../schema/table-passes';

const MEGABYTES_PER_BLOCK = 8 / 1024;

export interface ProgressView {
  show(progress: Progress): void;
  stop(): void;
}

export function progressView(verb: string, output: NodeJS.WriteStream): ProgressView {
  return output.isTTY ? bar(verb, output) : lines(verb, output);
}

function bar(verb: string, output: NodeJS.WriteStream): ProgressView {
  const format = `${verb} {bar} {percentage}% | {rows} rows | {eta_formatted} left | pass {pass}`;
  const shown = new SingleBar({ format, stream: output, etaBuffer: 100 }, Presets.shades_classic);
  let pass = 0;
  return {
    show: (progress) => {
      if (progress.pass !== pass) shown.start(progress.of, 0);
      pass = progress.pass;
      shown.setTotal(progress.of);
      shown.update(progress.done, { rows: progress.rows, pass });
    },
    stop: () => shown.stop(),
  };
}

function lines(verb: string, output: NodeJS.WriteStream): ProgressView {
  const estimate = new Estimate();
  let told = '';
  return {
    show: (progress) => {
      const tenth = `${progress.pass} ${Math.floor((10 * progress.done) / progress.of)}`;
      if (tenth === told) return;
      told = tenth;
      output.write(`${lineOf(verb, progress, estimate.secondsLeft(progress))}\n`);
    },
    stop: () => undefined,
  };
}

/** `backfill: pass 1, 30% of 1200 MB, 350000 rows, some 210 s left` */
export function lineOf(verb: string, { pass, done, of, rows }: Progress, secondsLeft: number): string {
  const percent = Math.floor((100 * done) / of);
  const size = Math.ceil(of * MEGABYTES_PER_BLOCK);
  return `${verb}: pass ${pass}, ${percent}% of ${size} MB, ${rows} rows, some ${secondsLeft} s left`;
}

/** By the pace of the pass so far. */
export class Estimate {
  private pass = 0;
  private began = 0;

  constructor(private readonly now: () => number = () => performance.now()) {}

  secondsLeft({ pass, done, of }: Progress): number {
    if (pass !== this.pass) {
      this.pass = pass;
      this.began = this.now();
      return 0;
    }
    return Math.ceil(((this.now() - this.began) / done) * ((of - done) / 1000));
  }
}
