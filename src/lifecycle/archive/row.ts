/**
 * A row of the archive as the one value that it is sealed as: its named columns as text, in PostgreSQL's own form. So what is
 * read in ten years does not depend on the table as it is then, and nothing of it, not even an amount, stands there in clear.
 */
import type { Element } from '../../catalogue/model';
import type { Decoded } from '../../crypto/codec';
import { randomBytes } from '../../crypto/random';
import { TamperedError } from '../../errors';
import type { ResultOpener, Sealer } from '../../keyring/sealer';
import type { SubjectKey } from '../../keyring/subject-keys';

/** `null` where the row had none, or what it had could not be opened any more; bytes as base64. */
export type ArchivedColumns = Readonly<Record<string, string | null>>;

/** Which row of the archive it is: a sealed value that was moved to another row is found out. */
export interface ArchivedName {
  readonly source: string;
  readonly id: string;
}

interface Content extends ArchivedName {
  readonly columns: ArchivedColumns;
}

const MEBIBYTE = 1_048_576;

export function archivedId(): string {
  const hex = Buffer.from(randomBytes(16)).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** No column has it (`migrations/011_archive.sql`): what opens the results of queries does not know it. */
export const ARCHIVED_ROW: Element = {
  id: 2_147_483_647,
  domainOid: 0,
  domainArrayOid: 0,
  label: 'archived_row.sealed',
  protect: 'encrypt',
  codec: 'json',
  declaredOid: 114,
  limits: {},
  normaliser: undefined,
  group: undefined,
  compound: undefined,
  tokens: undefined,
  padding: '64',
  maxBytes: 256 * MEBIBYTE,
  v4: undefined,
  v6: undefined,
  state: 'sealed',
};

export function sealArchived(sealer: Sealer, key: SubjectKey, name: ArchivedName, columns: ArchivedColumns): Buffer {
  const row = sealer.row(key);
  const content: Content = { source: name.source, id: name.id, columns };
  try {
    return sealer.seal(row, ARCHIVED_ROW, content, { table: name.source });
  } finally {
    row.wipe();
  }
}

/** @returns undefined when its key was destroyed */
export function openArchived(opener: ResultOpener, bytes: Uint8Array, name: ArchivedName): ArchivedColumns | undefined {
  const decoded = opener.open(bytes, ARCHIVED_ROW.id, { table: name.source });
  if (decoded === null) return undefined;
  const { source, id, columns } = JSON.parse(textOf(decoded) ?? '{}') as Partial<Content>;
  if (source === name.source && id === name.id && columns) return columns;
  throw new TamperedError('SEALED_VALUE_TAMPERED', { table: name.source });
}

export function textOf(decoded: Decoded | null): string | null {
  return decoded && (decoded.codec === 'bytes' ? decoded.bytes.toString('base64') : decoded.text);
}
