/**
 * Whether the journal has every position of each branch (ERASURE.md S1): a line that was damaged beyond recognition, or taken away,
 * leaves a gap. Lines may come in any order and more than once. Pure.
 */
import type { Fork, JournalLine } from './journal';

/** Positions that no line has, of one branch. */
export interface Gap {
  readonly branch: number;
  readonly first: number;
  readonly last: number;
}

/** A run without a gap; what came out of order waits behind it. */
interface Run {
  first: number;
  last: number;
  readonly apart: Set<number>;
}

export class JournalCoverage {
  private readonly runs = new Map<number, Run>();
  /** With which position a branch begins: the first with the first, any other behind where it was forked. */
  private readonly starts = new Map([[0, 1]]);
  /** How far checkpoints and forks say that a branch went. */
  private readonly ends = new Map<number, number>();

  see(line: JournalLine): void {
    if (line.is === 'entry') this.has(line.entry.branch, line.entry.position);
    else if (line.is === 'checkpoint') this.went(line.checkpoint.branch, line.checkpoint.position);
    else this.forked(line.fork);
  }

  /** What the database knows of a branch that the journal may have no fork of: its replay was interrupted. @param after where it was forked */
  begins(branch: number, after: number): void {
    this.starts.set(branch, after + 1);
  }

  /** Once all lines were seen. */
  gaps(): Gap[] {
    const branches = new Set([...this.runs.keys(), ...this.ends.keys()]);
    return [...branches].sort((a, b) => a - b).flatMap((branch) => this.gapsOf(branch));
  }

  private gapsOf(branch: number): Gap[] {
    const run = this.runs.get(branch);
    const parts = run ? [[run.first, run.last], ...[...run.apart].map((each) => [each, each])] : [];
    parts.sort(([a = 0], [b = 0]) => a - b);
    const gaps: Gap[] = [];
    let next = this.starts.get(branch) ?? parts[0]?.[0] ?? this.ends.get(branch) ?? 1;
    for (const [first = 0, last = 0] of parts) {
      if (first > next) gaps.push({ branch, first: next, last: first - 1 });
      next = last + 1;
    }
    const end = this.ends.get(branch) ?? 0;
    if (end >= next) gaps.push({ branch, first: next, last: end });
    return gaps;
  }

  private forked({ branch: goesOn, after, lost }: Fork): void {
    for (const { branch, position } of lost) this.went(branch, position);
    this.begins(goesOn, after);
    this.went(goesOn, after + 1); // the journal hears of a fork behind what its replay has written
  }

  private has(branch: number, position: number): void {
    const run = this.runs.get(branch);
    if (!run) this.runs.set(branch, { first: position, last: position, apart: new Set() });
    else if (position < run.first || position > run.last) {
      run.apart.add(position);
      while (run.apart.delete(run.last + 1)) run.last += 1;
      while (run.apart.delete(run.first - 1)) run.first -= 1;
    }
  }

  private went(branch: number, position: number): void {
    this.ends.set(branch, Math.max(position, this.ends.get(branch) ?? 0));
  }
}
