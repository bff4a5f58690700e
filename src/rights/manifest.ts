/** The manifest of an export: of each file what it holds, why it is held, how many rows, and its sha256. */
import type { PortableColumn, PortableTable } from './portable';

export interface ManifestFile {
  readonly path: string;
  readonly table: string;
  readonly format: 'json' | 'csv';
  readonly rows: number;
  readonly sha256: string;
  readonly columns: readonly { name: string; category: string; origin: string; purpose: string; basis: string }[];
  /** Set where the rows are also about others: these columns are null wherever they are not hers who asks. */
  readonly redacted?: { readonly columns: readonly string[]; readonly because: string };
}

/** The right does not adversely affect the rights and freedoms of others (WP 242 rev. 01, section III). */
const OTHERS = 'null where it is about another person (GDPR Art. 20(4))';

export interface Manifest {
  readonly profile: 'portability';
  /** The article this is done under. */
  readonly article: 'GDPR Art. 20';
  readonly kind: string;
  /** By the database's clock. */
  readonly generatedAt: string;
  readonly files: readonly ManifestFile[];
}

/** `visits.json`, or `billing.invoices.json` outside the schema `public`: a path that no unzipping program reads otherwise. */
export function pathOf({ table }: PortableTable, format: ManifestFile['format']): string {
  const name = table.schema === 'public' ? table.name : `${table.schema}.${table.name}`;
  return `${name.replace(/[\\/:%]/g, encodeURIComponent)}.${format}`;
}

export function manifestFile(
  portable: PortableTable,
  format: ManifestFile['format'],
  rows: number,
  sha256: string,
): ManifestFile {
  const columns = portable.columns.map(({ column, category, origin, purpose, basis }) => ({
    name: column.name,
    category,
    origin,
    purpose,
    basis,
  }));
  const file = { path: pathOf(portable, format), table: portable.table.displayName, format, rows, sha256, columns };
  return portable.shares ? { ...file, redacted: redacted(portable.columns) } : file;
}

function redacted(columns: readonly PortableColumn[]): NonNullable<ManifestFile['redacted']> {
  return { columns: columns.map(({ column }) => column.name), because: OTHERS };
}
