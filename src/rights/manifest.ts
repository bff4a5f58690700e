/** The manifest of an export: of each file what it holds, why it is held, how many rows, and its sha256. */
import type { PortableTable } from './portable';

export interface ManifestFile {
  readonly path: string;
  readonly table: string;
  readonly format: 'json' | 'csv';
  readonly rows: number;
  readonly sha256: string;
  readonly columns: readonly { name: string; category: string; origin: string; purpose: string; basis: string }[];
}

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
  return { path: pathOf(portable, format), table: portable.table.displayName, format, rows, sha256, columns };
}
