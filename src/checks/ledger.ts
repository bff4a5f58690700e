/**
 * Whether the ledger is what was written (ERASURE.md L1): the whole chain is followed, in one view of the database. It finds what
 * anybody changed, triggers or not, and says at which entry. What the journal was told is compared with the ledger as it is when that line
 * was read: others go on writing, and tell what no earlier view has.
 */

import { equal } from '../crypto/bytes';
import type { LedgerKeys } from '../keyring/ledger-keys';
import type { Queryable, Row } from '../queryable';
import { type BrokenLink, type ChainLink, ChainWalk } from '../registers/chain-walk';
import { isOurs, type Journal } from '../registers/journal';
import { checkJournal, type JournalCheck, type JournalFindings } from './journal';

export interface LedgerReport {
  /** How many entries were followed. */
  readonly entries: number;
  /** Where the chain ends. */
  readonly head: { readonly position: number; readonly link: string | undefined };
  readonly broken: readonly BrokenLink[];
  /** What these means could not tell. */
  readonly unchecked: readonly string[];
}

const PAGE = 5000;
/** An entry that is gone leaves its link, and one without a link is looked for below. */
const LINKS = `
select k.position, k.entry, k.link, k.mac, oubli.ledger_text(l) as text, l.entry is null as gone
from oubli.ledger_link k left join oubli.ledger l on l.entry = k.entry
where k.position > $1 order by k.position limit ${PAGE}`;
const UNLINKED = `
select l.entry from oubli.ledger l where not exists (select from oubli.ledger_link k where k.entry = l.entry)
order by l.entry limit 100`;
const LINKS_AT = `select position, encode(link, 'hex') as link from oubli.ledger_link where position = any($1::bigint[])`;
const HEAD = 'select position, link from oubli.ledger_head';
/** A ledger that was written before there was a chain, and nothing since. */
const NO_CHAIN = 'the ledger has no chain yet: its entries are linked when the next one is written';
const NO_JOURNAL =
  'whether entries at the end are gone together with their links: only a journal outside the database can tell';

export interface Snapshots {
  snapshot<T>(work: (snapshot: Queryable) => Promise<T>): Promise<T>;
}

/** @param journal without one, a cut end cannot be told */
export async function verifyLedger(
  database: Snapshots,
  instance: Uint8Array,
  keys: LedgerKeys,
  journal?: Journal,
): Promise<LedgerReport> {
  const inside = await database.snapshot((snapshot) => followChain(snapshot, instance, keys));
  const outside =
    journal && (await checkJournal({ journal, isOurs: (line) => isOurs(keys, line), linksAt: linksAt(database) }));
  const { entries, head, broken, unchecked } = inside;
  return {
    entries,
    head,
    broken: [...broken, ...(outside?.broken ?? [])],
    unchecked: [...unchecked, ...(outside ? tornIn(outside) : [NO_JOURNAL])],
  };
}

async function followChain(snapshot: Queryable, instance: Uint8Array, keys: LedgerKeys): Promise<LedgerReport> {
  const walk = new ChainWalk(instance, (link) => keys.mac(link));
  const broken: BrokenLink[] = [];
  for await (const link of linksIn(snapshot)) broken.push(...walk.follow(link));
  const [head] = (await snapshot.query(HEAD)).rows;
  broken.push(...truncatedAt(walk, head));
  const unlinked = (await snapshot.query(UNLINKED)).rows;
  if (walk.position > 0) broken.push(...unlinked.map(({ entry }) => unlinkedEntry(String(entry))));
  return {
    entries: walk.position,
    head: { position: walk.position, link: walk.link && Buffer.from(walk.link).toString('hex') },
    broken,
    unchecked: walk.position === 0 && unlinked.length > 0 ? [NO_CHAIN] : [],
  };
}

/** The whole chain, page by page. */
export async function* linksIn(snapshot: Queryable): AsyncGenerator<ChainLink> {
  for (let after = 0; ; ) {
    const { rows } = await snapshot.query(LINKS, [after]);
    for (const row of rows) yield linkFrom(row);
    if (rows.length < PAGE) return;
    after = Number(rows.at(-1)?.position);
  }
}

function linksAt(database: Snapshots): JournalCheck['linksAt'] {
  return async (positions) => {
    const { rows } = await database.snapshot((snapshot) => snapshot.query(LINKS_AT, [positions]));
    return new Map(rows.map(({ position, link }) => [Number(position), String(link)]));
  };
}

function tornIn({ unreadable }: JournalFindings): string[] {
  return unreadable === 0 ? [] : [`${unreadable} torn lines of the journal`];
}

function linkFrom(row: Row): ChainLink {
  return {
    position: Number(row.position),
    entry: String(row.entry),
    link: row.link as Uint8Array,
    mac: row.mac as Uint8Array,
    text: row.gone ? undefined : String(row.text),
  };
}

function truncatedAt(walk: ChainWalk, head: Row | undefined): BrokenLink[] {
  if (!head) return [{ what: 'truncated', says: 'the end of the chain is gone: oubli.ledger_head has no row' }];
  const end = Number(head.position);
  if (end === walk.position && (end === 0 || equal(head.link as Uint8Array, walk.link as Uint8Array))) return [];
  const position = Math.min(end, walk.position) + 1;
  return [
    { what: 'truncated', position, says: `the chain ends at position ${walk.position}, and was written to ${end}` },
  ];
}

function unlinkedEntry(entry: string): BrokenLink {
  return { what: 'unlinked', entry, says: `entry ${entry} was put in past the chain` };
}
