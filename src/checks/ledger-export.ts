/**
 * The ledger in a file, for an auditor: one line of JSON with whose it is, then one for each entry with its canonical text and link. Verified
 * without database and without secrets (ERASURE.md L1), by the file, the journal and the public key.
 */
import type { Signatures } from '../crypto/signature';
import { ConfigurationError } from '../errors';
import type { Queryable } from '../queryable';
import { type BrokenLink, type ChainLink, ChainWalk } from '../registers/chain-walk';
import { type Journal, type JournalLine, saidOf } from '../registers/journal';
import { checkJournal } from './journal';
import { type LedgerReport, linksIn } from './ledger';
import { LinkFile } from './link-file';

/** @param snapshot one view of the database @returns lines, without their line feeds */
export async function* exportedLedger(snapshot: Queryable, instance: Uint8Array): AsyncGenerator<string> {
  yield JSON.stringify({ oubli: 'ledger', version: 1, instance: Buffer.from(instance).toString('hex') });
  for await (const { position, entry, link, text } of linksIn(snapshot))
    yield JSON.stringify({ position, entry, text, link: Buffer.from(link).toString('hex') });
}

export interface ExportCheck {
  /** Lines of the exported file. */
  readonly lines: AsyncIterable<string>;
  /** How errors name the file. */
  readonly name: string;
  readonly signatures: Signatures;
  readonly journal?: Journal | undefined;
  /** 32 bytes, from whoever is trusted to know it: not from the file. */
  readonly publicKey?: Uint8Array | undefined;
}

/** Thousands of years of entries; further out no file system has a place. */
const LAST_POSITION = 2 ** 36;
const NO_MAC = "whether the links carry the ledger's key: that takes the key, `oubli ledger verify` with the database";
const NO_END = 'whether entries at the end were left out: only the journal can tell';
const NO_SIGNATURES =
  "the journal's signatures, by which a replay also says what a restore gave up: name the public key, `oubli ledger public-key` prints it";

/** @throws ConfigurationError NOT_AN_EXPORT */
export async function verifyExport(check: ExportCheck): Promise<LedgerReport> {
  const links = await LinkFile.make();
  try {
    const { walk, entries, broken } = await followExport(check, links);
    const outside = await compareJournal(check, links);
    return {
      entries,
      head: { position: walk.position, link: walk.link && Buffer.from(walk.link).toString('hex') },
      broken: [...broken, ...outside.broken],
      unchecked: [NO_MAC, ...outside.unchecked],
    };
  } finally {
    await links.end();
  }
}

async function followExport(
  { lines, name }: ExportCheck,
  links: LinkFile,
): Promise<{ walk: ChainWalk; entries: number; broken: BrokenLink[] }> {
  const broken: BrokenLink[] = [];
  let walk: ChainWalk | undefined;
  let entries = 0;
  for await (const line of lines) {
    const parsed = parsedLine(line, name);
    if (!walk) {
      walk = new ChainWalk(Buffer.from(String(parsed.instance), 'hex'));
      continue;
    }
    const link = linkIn(parsed, name);
    entries += 1;
    broken.push(...walk.follow(link));
    await links.put(link.position, link.link);
  }
  if (!walk) throw new ConfigurationError('NOT_AN_EXPORT', { file: name });
  return { walk, entries, broken };
}

function linkIn({ position, entry, text, link }: Record<string, unknown>, file: string): ChainLink {
  const isPosition = Number.isSafeInteger(position) && Number(position) > 0 && Number(position) <= LAST_POSITION;
  if (!isPosition || !/^[0-9a-f]{64}$/.test(String(link))) throw new ConfigurationError('NOT_AN_EXPORT', { file });
  return {
    position: Number(position),
    entry: String(entry),
    text: text === undefined ? undefined : String(text),
    link: Buffer.from(String(link), 'hex'),
  };
}

async function compareJournal(
  { journal, publicKey, signatures }: ExportCheck,
  links: LinkFile,
): Promise<Pick<LedgerReport, 'broken' | 'unchecked'>> {
  if (!journal) return { broken: [], unchecked: [NO_END] };
  const isOurs = (line: JournalLine): boolean | undefined => {
    if (line.is === 'entry' || !publicKey) return undefined; // entries carry a keyed mac, no signature
    const said = line.is === 'fork' ? saidOf('fork', line.fork) : saidOf('checkpoint', line.checkpoint);
    return signatures.verify(publicKey, said, Buffer.from(line.signature, 'base64'));
  };
  const { broken, signedUpTo, unreadable } = await checkJournal({ journal, isOurs, linksAt: (at) => links.at(at) });
  const unchecked = publicKey ? [`entries behind position ${signedUpTo}, which no checkpoint signs`] : [NO_SIGNATURES];
  if (unreadable > 0) unchecked.push(`${unreadable} torn lines of the journal`);
  return { broken, unchecked };
}

function parsedLine(line: string, file: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    parsed = undefined; // the parser's own error would quote the line
  }
  if (typeof parsed === 'object' && parsed !== null) return parsed as Record<string, unknown>;
  throw new ConfigurationError('NOT_AN_EXPORT', { file });
}
