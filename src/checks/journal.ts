/**
 * Whether the ledger has what the journal outside was told of it (ERASURE.md L1): only so is it found that the end was cut off, together with its
 * links, or that all was written anew by somebody with the keys of the database's host.
 */
import type { BrokenLink } from '../registers/chain-walk';
import { type Fork, isTorn, type Journal, type JournalLine, parseLine } from '../registers/journal';
import { JournalCoverage } from '../registers/journal-coverage';
import { isGivenUp } from '../registers/restore-watch';

export interface JournalCheck {
  readonly journal: Journal;
  /** Whether the installation wrote this line; undefined where that takes a secret that is not at hand. */
  isOurs(line: JournalLine): boolean | undefined;
  /** Hex, by position: the links that the ledger has at these. */
  linksAt(positions: readonly number[]): Promise<ReadonlyMap<number, string>>;
}

export interface JournalFindings {
  readonly broken: readonly BrokenLink[];
  /** The last position that a verified checkpoint signs; 0 for none. */
  readonly signedUpTo: number;
  /** Lines that were torn while they were written. */
  readonly unreadable: number;
}

const BATCH = 1000;

export async function checkJournal(check: JournalCheck): Promise<JournalFindings> {
  const found = new JournalComparison(check);
  await found.compare();
  return found;
}

class JournalComparison implements JournalFindings {
  readonly broken: BrokenLink[] = [];
  signedUpTo = 0;
  unreadable = 0;
  private readonly forks: Fork[] = [];
  private readonly coverage = new JournalCoverage();

  constructor(private readonly check: JournalCheck) {}

  async compare(): Promise<void> {
    for await (const text of this.check.journal.read()) {
      const line = parseLine(text);
      // without the key a fork is believed, as its entries are: what could not be checked is said
      if (line?.is === 'fork' && this.check.isOurs(line) !== false) this.forks.push(line.fork);
    }
    let lines: JournalLine[] = [];
    let number = 0;
    for await (const text of this.check.journal.read()) {
      const line = parseLine(text);
      number += 1;
      if (line) lines.push(line);
      else if (isTorn(text)) this.unreadable += 1;
      else
        this.broken.push({ what: 'unreadable', says: `line ${number} of the journal was damaged: it cannot be read` });
      if (lines.length < BATCH) continue;
      await this.compareSome(lines);
      lines = [];
    }
    await this.compareSome(lines);
    for (const { branch, first, last } of this.coverage.gaps()) {
      const which = first === last ? `position ${first}` : `positions ${first} to ${last}`;
      const of = branch === 0 ? '' : ` of branch ${branch}`;
      this.broken.push({ what: 'missing', position: first, says: `the journal lacks ${which}${of}` });
    }
  }

  private async compareSome(lines: readonly JournalLine[]): Promise<void> {
    const places = lines.flatMap((line) => (line.is === 'fork' ? [] : [placeOf(line)]));
    const links = await this.check.linksAt(places.map(({ position }) => position));
    for (const line of lines) {
      this.coverage.see(line);
      const ours = this.check.isOurs(line);
      if (ours === false) this.foreign(line);
      else if (line.is !== 'fork') this.compareOne(line, links, ours);
    }
  }

  private compareOne(
    line: Exclude<JournalLine, { is: 'fork' }>,
    links: ReadonlyMap<number, string>,
    ours: boolean | undefined,
  ): void {
    const { branch, position, link, entry } = placeOf(line);
    if (isGivenUp({ branch, position }, this.forks)) return;
    if (links.get(position) === link) {
      if (line.is === 'checkpoint' && ours) this.signedUpTo = Math.max(this.signedUpTo, position);
      return;
    }
    const what = links.has(position) ? 'is another one now' : 'is gone';
    const says = `position ${position}${entry ? `, entry ${entry},` : ''} as the journal was told ${what}`;
    this.broken.push({ what: 'contradicted', position, ...(entry ? { entry } : {}), says });
  }

  private foreign(line: JournalLine): void {
    const { position } = line.is === 'fork' ? { position: line.fork.after } : placeOf(line);
    const says = `the journal's ${line.is} of position ${position} was not written by this installation`;
    this.broken.push({ what: 'forged', position, says });
  }
}

function placeOf(line: Exclude<JournalLine, { is: 'fork' }>): {
  branch: number;
  position: number;
  link: string;
  entry?: string;
} {
  return line.is === 'entry' ? line.entry : line.checkpoint;
}
