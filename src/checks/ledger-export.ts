/**
 * The ledger in a file, for an auditor: one line of JSON with whose it is, then one for each entry with its canonical text and link. Verified
 * without database and without secrets (ERASURE.md L1), by the file, the journal and the public key.
 */
import type { Signatures } from '../crypto/signature';
import { ConfigurationError } from '../errors';
import type { Queryable } from '../queryable';
import { type BrokenLink, ChainWalk } from '../registers/chain-walk';
import { type Journal, type JournalLine, saidOf } from '../registers/journal';
import { checkJournal } from './journal';
import { type LedgerReport, linksIn } from './ledger';

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

const NO_MAC = "whether the links carry the ledger's key: that takes the key, `oubli ledger verify` with the database";
const NO_END = 'whether entries at the end were left out: only the journal can tell';
const NO_SIGNATURES =
  "the journal's signatures, by which a replay also says what a restore gave up: name the public key, `oubli ledger public-key` prints it";

/** @throws ConfigurationError NOT_AN_EXPORT */
export async function verifyExport(check: ExportCheck): Promise<LedgerReport> {
  const links = new Map<number, string>();
  const broken: BrokenLink[] = [];
  let walk: ChainWalk | undefined;
  for await (const line of check.lines) {
    const parsed = parsedLine(line, check.name);
    if (!walk) walk = new ChainWalk(Buffer.from(String(parsed.instance), 'hex'));
    else {
      const { position, entry, text, link } = parsed as {
        position: number;
        entry: string;
        text?: string;
        link: string;
      };
      links.set(position, link);
      broken.push(...walk.follow({ position, entry, text, link: Buffer.from(link, 'hex') }));
    }
  }
  if (!walk) throw new ConfigurationError('NOT_AN_EXPORT', { file: check.name });
  const outside = await compareJournal(check, links);
  return {
    entries: links.size,
    head: { position: walk.position, link: links.get(walk.position) },
    broken: [...broken, ...outside.broken],
    unchecked: [NO_MAC, ...outside.unchecked],
  };
}

async function compareJournal(
  { journal, publicKey, signatures }: ExportCheck,
  links: ReadonlyMap<number, string>,
): Promise<Pick<LedgerReport, 'broken' | 'unchecked'>> {
  if (!journal) return { broken: [], unchecked: [NO_END] };
  const isOurs = (line: JournalLine): boolean | undefined => {
    if (line.is === 'entry' || !publicKey) return undefined; // entries carry a keyed mac, no signature
    const said = line.is === 'fork' ? saidOf('fork', line.fork) : saidOf('checkpoint', line.checkpoint);
    return signatures.verify(publicKey, said, Buffer.from(line.signature, 'base64'));
  };
  const { broken, signedUpTo, unreadable } = await checkJournal({ journal, isOurs, linksAt: async () => links });
  const unchecked = publicKey ? [`entries behind position ${signedUpTo}, which no checkpoint signs`] : [NO_SIGNATURES];
  if (unreadable > 0) unchecked.push(`${unreadable} torn lines of the journal`);
  return { broken, unchecked };
}

function parsedLine(line: string, file: string): Record<string, unknown> {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    throw new ConfigurationError('NOT_AN_EXPORT', { file }); // the parser's own error would quote the line
  }
}
