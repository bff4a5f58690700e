/**
 * The certificate of an erasure (ERASURE.md L4): the receipt, the two dates, and what can still be recovered where until when, as
 * read from the server at the moment it is issued; signed with Ed25519, so that it can be verified without database and keys.
 *
 * `erasedAt` is when the last live path to the data ended. `unrecoverableAt` is when no path with any backup is left either: for sealed
 * values when every epoch key that ever wrapped hers is destroyed (ENVELOPE.md K5). What stood in clear is in backups as long as those are
 * kept, whatever becomes of keys, so where anything did it stays null; and so it is with an epoch key that somebody else may have.
 */
import type { Catalogue, Table } from '../catalogue/model';
import { isPersonal } from '../catalogue/model';
import { ConfigurationError } from '../errors';
import type { LedgerKeys } from '../keyring/ledger-keys';
import type { Queryable } from '../queryable';
import { type Backup, backupTraces } from './backups';
import { canonicalJson } from './canonical-json';
import { type KeysGone, keysGone } from './epochs';
import { type Receipt, receiptFrom } from './receipt';
import { RECEIPT } from './receipts';
import { serverTraces } from './server-traces';
import { tableTraces } from './table-traces';
import type { Trace, TracedTable } from './trace';

export const CERTIFICATE_FORMAT = 'oubli certificate 1';

export interface Certificate {
  readonly format: typeof CERTIFICATE_FORMAT;
  /** Hex: the installation. */
  readonly instance: string;
  /** ISO, by the database's clock. */
  readonly issuedAt: string;
  readonly erasedAt: string;
  /** Null until no backup can bring it back. */
  readonly unrecoverableAt: string | null;
  readonly unrecoverableBecause: string;
  /** Of what anonymises if its tests pass: whether they did. */
  readonly tests: 'none needed' | 'passed' | 'not passed';
  readonly receipt: Omit<Receipt, 'erasedAt'>;
  readonly traces: readonly Trace[];
}

export interface SignedCertificate {
  readonly certificate: Certificate;
  /** Hex, 32 bytes. Proves nothing by itself: compare it with what the installation published elsewhere. */
  readonly publicKey: string;
  /** Hex, 64 bytes: Ed25519 over `signedBytes`. */
  readonly signature: string;
}

export interface CertificateParts {
  readonly catalogue: Catalogue;
  readonly ledgerKeys: LedgerKeys;
  readonly backups: readonly Backup[];
}

const ENTRY = `
select ${RECEIPT},
  to_char(l.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "erasedAt",
  -- what wrote the entry took the rows: one statement (ERASURE.md A1)
  oubli.full_number(l.xmin)::text as transaction,
  to_char(oubli.now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "issuedAt"
from oubli.ledger l
where l.act = 'erased' and (l.entry = $1::bigint or l.key_id = decode($2, 'hex')) order by l.entry limit 1`;

/**
 * @param of the number of the ledger's entry, or the key id of the receipt
 * @throws ConfigurationError NO_SUCH_ENTRY
 */
export async function issueCertificate(
  parts: CertificateParts,
  connection: Queryable,
  of: number | string,
): Promise<SignedCertificate> {
  const { entry, keyId } = named(of);
  const [row] = (await connection.query(ENTRY, [entry, keyId])).rows;
  if (!row) throw new ConfigurationError('NO_SUCH_ENTRY', { given: of });
  const { erasedAt: _, ...receipt } = receiptFrom(row);
  const erasedAt = String(row.erasedAt);
  const tables = await tracedTables(parts.catalogue, connection, receipt);
  const backups = await backupTraces(connection, parts.backups, erasedAt);
  const certificate: Certificate = {
    format: CERTIFICATE_FORMAT,
    instance: Buffer.from(parts.catalogue.instance).toString('hex'),
    issuedAt: String(row.issuedAt),
    erasedAt,
    ...unrecoverable(await keysGone(connection, receipt.keyId), tables, backups),
    tests: testsOf(receipt),
    receipt,
    traces: [
      ...(await tableTraces(connection, tables, { at: erasedAt, transaction: String(row.transaction) })),
      ...(await serverTraces(connection, tables, erasedAt)),
      ...backups,
    ],
  };
  return {
    certificate,
    publicKey: Buffer.from(parts.ledgerKeys.publicKey).toString('hex'),
    signature: parts.ledgerKeys.sign(signedBytes(certificate)).toString('hex'),
  };
}

/** What is kept and archived is named by the receipt: it is under keys of its own, which are there. */
function unrecoverable(
  gone: KeysGone,
  tables: readonly TracedTable[],
  backups: readonly Trace[],
): Pick<Certificate, 'unrecoverableAt' | 'unrecoverableBecause'> {
  const clear = tables.filter((table) => table.clear.length > 0 || table.wasClear.length > 0).map(({ table }) => table);
  const sealed = saidOfKeys(gone);
  if (clear.length === 0 && !gone.compromised) return { unrecoverableAt: gone.at, unrecoverableBecause: sealed };
  const thrownAway = backups.every(({ state }) => state === 'none');
  const dates = [gone.at, ...backups.map(({ until }) => until)].filter((date) => date !== null);
  const last = dates.sort((one, other) => Date.parse(one) - Date.parse(other)).at(-1) ?? null;
  const what = [
    ...(clear.length > 0 ? [`what was in clear in ${clear.join(', ')} is`] : []),
    ...(gone.compromised
      ? [
          `what is opened by the key of epoch ${gone.compromised.epoch}, which somebody else may have, as was told on ${gone.compromised.since}, is`,
        ]
      : []),
  ];
  const because = `${what.join(', and ')} in backups from before as long as they are kept`;
  return {
    unrecoverableAt: thrownAway && gone.at !== null ? last : null,
    unrecoverableBecause: `${because}${thrownAway ? ', and as declared none is any more' : ''}; of what was sealed: ${sealed}`,
  };
}

function saidOfKeys({ at, epoch, proven, on, how }: KeysGone): string {
  const upTo = `every epoch key up to ${epoch}, the last under which hers can have been wrapped`;
  if (at !== null)
    return `${upTo}, was destroyed by ${at}, ${proven ? 'which is proven' : 'which is not proven'}: ${how}`;
  if (on !== undefined) return `${upTo}, is to be destroyed, one of them on ${on}; until then it can be had back`;
  return `not ${upTo}, has been destroyed: whoever has a copy of the database from before the erasure, with its key store, and the epoch key of that time, can open what was sealed`;
}

/** What is signed: a label of its own, so that nothing else that the key signs can pass for it, and the certificate's canonical text. */
export function signedBytes(certificate: unknown): Uint8Array {
  return Buffer.from(`oubli/certificate/v1\n${canonicalJson(certificate)}`, 'utf8');
}

function named(of: number | string): { entry: number | null; keyId: string | null } {
  if (typeof of === 'string' && /^[0-9a-f]{32}$/i.test(of)) return { entry: null, keyId: of.toLowerCase() };
  const entry = Number(of);
  if (!Number.isSafeInteger(entry) || entry < 1) throw new ConfigurationError('NO_SUCH_ENTRY', { given: String(of) });
  return { entry, keyId: null };
}

const WAS_CLEAR = `
select a.attrelid::int8 as oid, a.attname as column,
  case when isfinite(e.clear_until) then to_char(e.clear_until at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') end as until
from oubli.element e join pg_catalog.pg_attribute a on a.atttypid = e.domain and not a.attisdropped
where e.clear_until is not null and e.protect = 'encrypt' and a.attrelid = any($1::oid[]) order by 1, 2`;

async function tracedTables(
  catalogue: Catalogue,
  connection: Queryable,
  receipt: Omit<Receipt, 'erasedAt'>,
): Promise<TracedTable[]> {
  const lines = [...receipt.removed, ...receipt.anonymised, ...receipt.archived, ...receipt.kept];
  const names = [...new Set(lines.map(({ table }) => table))];
  const tables = names.map((name) => catalogue.tables.find(({ displayName }) => displayName === name));
  const oids = tables.flatMap((table) => (table ? [table.oid] : []));
  const once = (await connection.query(WAS_CLEAR, [oids])).rows;
  return names.map((name, i) => ({
    table: name,
    oid: tables[i]?.oid,
    schema: tables[i]?.schema ?? '',
    name: tables[i]?.name ?? name,
    clear: tables[i] ? clearColumns(tables[i]) : [],
    wasClear: once
      .filter(({ oid }) => Number(oid) === tables[i]?.oid)
      .map(({ column, until }) => ({ column: String(column), until: until as string | null })),
  }));
}

/** Truncated addresses and pseudonyms are readable, too. */
function clearColumns({ columns }: Table): string[] {
  const clear = [...columns.values()].filter((each) => isPersonal(each) && each.element?.protect !== 'encrypt');
  return clear.map(({ name }) => name);
}

/** What was not measured has not passed. */
export function testsOf({ anonymised, measured = [] }: Pick<Receipt, 'anonymised' | 'measured'>): Certificate['tests'] {
  const tested = anonymised.filter(({ columns }) =>
    columns.some(({ effect }) => effect === 'anonymises if its tests pass'),
  );
  if (tested.length === 0 && measured.length === 0) return 'none needed';
  const passed = (name: string): boolean => measured.some(({ table, tests }) => table === name && tests === 'passed');
  const all = [...tested.map(({ table }) => table), ...measured.map(({ table }) => table)];
  return all.every(passed) ? 'passed' : 'not passed';
}
