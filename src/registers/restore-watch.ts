/**
 * Whether the database is the one that the journal speaks of (ERASURE.md S1). Behind it, or with another link at the same position, it
 * was restored or rewritten: then nobody reads or writes personal data until the journal was replayed.
 *
 * The journal is compared at start. A process that runs meanwhile remembers where the chain was when it looked last: it looks again when
 * its connection to the key store was lost, which a restored server does to it, before it asks for keys after some seconds without a
 * look, and with every entry that it writes.
 */
import { equal } from '../crypto/bytes';
import { ConfigurationError, JournalError, RestoreReplayRequiredError, TamperedError } from '../errors';
import type { LedgerKeys } from '../keyring/ledger-keys';
import type { Queryable, Row } from '../queryable';
import { type Fork, isOurs, isTorn, type Journal, type JournalLine, parseLine } from './journal';
import type { OwnJournal } from './own-journal';

/** Enough for all processes that append at once; a fork stands behind what it gave up. */
const TAIL = 5000;
/** Between two looks of a process that only reads. */
const LOOK_MS = 5000;
/** `replaying`: the first position behind the fork of a replay that has not come to its end. */
const HEAD = `
select h.position, h.link, (select k.link from oubli.ledger_link k where k.position = $1) as seen,
  (select min(f.after) + 1 from oubli.ledger_fork f where not exists (
    select from oubli.ledger_replayed r where r.branch = f.branch)) as replaying
from oubli.ledger_head h`;
const LINK_AT = 'select link from oubli.ledger_link where position = $1';

const TOLD = 'select position, journal, begun from oubli.ledger_told';

/** Where the chain was when somebody looked. */
export interface Seen {
  readonly position: number;
  readonly link: Uint8Array;
}

/** The last entry of one branch. */
export interface Tip {
  readonly branch: number;
  readonly position: number;
  readonly link: string;
}

export class RestoreWatch {
  private last: Seen | undefined;
  private lookAgainAt = 0;
  /** How often the connection was lost, and of which the comparison is done. */
  private doubts = 0;
  private cleared = 0;

  constructor(
    private readonly journal: Journal,
    private readonly own: OwnJournal,
    private readonly keys: LedgerKeys,
    private readonly instance: Uint8Array,
    private readonly clock: () => number = () => performance.now(),
  ) {}

  /**
   * Compares database and journal, as at start.
   * @throws RestoreReplayRequiredError; JournalError JOURNAL_LOST, JOURNAL_REPLACED, JOURNAL_DAMAGED; TamperedError JOURNAL_FOREIGN
   */
  async compare(connection: Queryable): Promise<void> {
    const { doubts } = this;
    // first what it was told, then what it has: others write meanwhile, and tell it before they say so
    const [before] = (await connection.query(TOLD)).rows as [Row];
    this.own.refuseBesideNew(before);
    const told = Number(before.position);
    const { tips, end } = await tipsOf(this.journal, this.keys, this.instance);
    const [head] = (await connection.query(HEAD, [0])).rows;
    if (told > end) throw new JournalError('JOURNAL_LOST', { journal: this.journal.name, position: told, known: end });
    for (const tip of tips) if (!(await isIn(connection, tip))) throw this.required(tip.position);
    if (head?.replaying) throw this.required(Number(head.replaying), 'begun');
    this.own.isOf(before);
    this.cleared = doubts;
    this.remember(Number(head?.position), head?.link as Uint8Array | null);
  }

  /** The connection was lost: the database that answers next is compared before anything else is asked of it. */
  suspect(): void {
    this.doubts += 1;
  }

  /** A look, if the last one is some seconds ago: one row by its key. @throws RestoreReplayRequiredError */
  async look(connection: Queryable): Promise<void> {
    if (this.cleared < this.doubts) return this.compare(connection);
    if (this.clock() < this.lookAgainAt) return;
    const { last } = this;
    const [head] = (await connection.query(HEAD, [last?.position ?? 0])).rows;
    const isOther = isBehind(last, Number(head?.position), head?.seen as Uint8Array | null);
    if (isOther || head?.replaying) return this.compare(connection);
    this.remember(Number(head?.position), head?.link as Uint8Array | null);
  }

  /** Where the chain was when this process looked last: to be taken before the database is asked. */
  get seen(): Seen | undefined {
    return this.last;
  }

  /**
   * @param seen before the database was asked @param position where the chain ends now @param link at the position that was seen
   * @throws RestoreReplayRequiredError: the transaction must end here
   */
  refuseBehind(seen: Seen | undefined, position: number, link: Uint8Array | null): void {
    if (!isBehind(seen, position, link)) return;
    this.suspect(); // whoever asks for a key next finds out from the journal
    throw this.required(seen?.position ?? 0);
  }

  private remember(position: number, link: Uint8Array | null): void {
    this.last = link ? { position, link } : undefined;
    this.lookAgainAt = this.clock() + LOOK_MS;
  }

  private required(position: number, begun?: 'begun'): RestoreReplayRequiredError {
    return new RestoreReplayRequiredError('RESTORE_REPLAY_REQUIRED', { position, journal: this.journal.name, begun });
  }
}

function isBehind(seen: Seen | undefined, position: number, link: Uint8Array | null): boolean {
  return seen !== undefined && (position < seen.position || link === null || !equal(link, seen.link));
}

/** The last entries of the branches that were not given up, and how far any goes. @throws TamperedError JOURNAL_FOREIGN */
export async function tipsOf(
  journal: Journal,
  keys: LedgerKeys,
  instance: Uint8Array,
): Promise<{ tips: Tip[]; end: number }> {
  const tips = new Map<number, Tip>();
  const forks: Fork[] = [];
  for await (const line of oursIn(journal, keys, instance, { last: TAIL })) {
    if (line.is === 'fork') forks.push(line.fork);
    if (line.is !== 'entry') continue;
    const { branch, position, link } = line.entry;
    if (position > (tips.get(branch)?.position ?? 0)) tips.set(branch, { branch, position, link });
  }
  const end = Math.max(0, ...[...tips.values()].map(({ position }) => position));
  return { tips: [...tips.values()].filter((tip) => !isGivenUp(tip, forks)), end };
}

/**
 * The journal's lines; one that was torn is passed over, for nobody was told that it was stored.
 * @throws JournalError JOURNAL_DAMAGED; TamperedError JOURNAL_FOREIGN
 */
export async function* oursIn(
  journal: Journal,
  keys: LedgerKeys,
  instance: Uint8Array,
  options: { last?: number } = {},
): AsyncGenerator<JournalLine> {
  const own = Buffer.from(instance).toString('hex');
  for await (const text of journal.read(options)) {
    const line = parseLine(text);
    if (!line && isTorn(text)) continue;
    if (!line) throw new JournalError('JOURNAL_DAMAGED', { journal: journal.name });
    const of = line.is === 'entry' ? own : line.is === 'fork' ? line.fork.instance : line.checkpoint.instance;
    if (of !== own || !isOurs(keys, line)) throw new TamperedError('JOURNAL_FOREIGN', { journal: journal.name });
    yield line;
  }
}

/** Whether a fork, signed after a replay, says that this is in the journal only. */
export function isGivenUp({ branch, position }: Omit<Tip, 'link'>, forks: readonly Fork[]): boolean {
  return forks.some(({ lost }) =>
    lost.some((part) => part.branch === branch && position > part.after && position <= part.position),
  );
}

async function isIn(connection: Queryable, { position, link }: Tip): Promise<boolean> {
  const [row] = (await connection.query(LINK_AT, [position])).rows;
  return row !== undefined && Buffer.from(row.link as Uint8Array).toString('hex') === link;
}

/** @throws ConfigurationError for an object that is no journal */
export function refuseNoJournal(journal: Journal): void {
  if (typeof journal?.append !== 'function' || typeof journal.read !== 'function')
    throw new ConfigurationError('NO_JOURNAL', { call: 'the option journal' });
}
