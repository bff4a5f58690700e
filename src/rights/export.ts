/**
 * The right to data portability (GDPR Art. 20): a ZIP of JSON and CSV, "structured, commonly used and machine-readable", with
 * a manifest that says of each file what it holds, since when, under which sha256 and how many rows. Written as it is read: a
 * million rows take no more memory than a hundred.
 */
import { createHash } from 'node:crypto';
import { pipeline, Readable } from 'node:stream';
import { stringify } from 'csv-stringify';
import { ZipFile } from 'yazl';
import type { Catalogue } from '../catalogue/model';
import type { Sealer } from '../keyring/sealer';
import type { SubjectKeys } from '../keyring/subject-keys';
import type { Queryable } from '../queryable';
import { jsonArray } from './json-array';
import { type ExportedRow, personalRows, type TextReader } from './personal-rows';
import { type PortableTable, portableTables } from './portable';

/** One consistent view of the database for the whole of an export. */
export interface Snapshot extends Queryable {
  readonly read: TextReader;
}

export interface ExportParts {
  readonly catalogue: Catalogue;
  readonly keys: SubjectKeys;
  readonly sealer: Sealer;
  /** Runs the work on one snapshot and ends it afterwards. */
  snapshot<T>(work: (snapshot: Snapshot) => Promise<T>): Promise<T>;
  /** Records that the export was made. */
  record(kind: string, id: string, manifest: Manifest): Promise<void>;
}

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

/** @returns the ZIP as a stream; an error while reading destroys it, so that a truncated archive never looks whole */
export function exportPerson(parts: ExportParts, kind: string, id: string): Readable {
  const zip = new ZipFile();
  const output = zip.outputStream as Readable;
  parts
    .snapshot((snapshot) => fill(parts, snapshot, zip, output, kind, id))
    .then((manifest) => parts.record(kind, id, manifest))
    .catch((error: Error) => output.destroy(error));
  return output;
}

async function fill(
  parts: ExportParts,
  snapshot: Snapshot,
  zip: ZipFile,
  output: Readable,
  kind: string,
  id: string,
): Promise<Manifest> {
  const [clock] = (await snapshot.query('select oubli.now() as now')).rows as [{ now: Date }];
  const files: ManifestFile[] = [];
  const manifest: Manifest = {
    profile: 'portability',
    article: 'GDPR Art. 20',
    kind,
    generatedAt: clock.now.toISOString(),
    files,
  };
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      output.destroy(error);
      reject(error);
    };
    for (const portable of portableTables(parts.catalogue, kind)) {
      for (const format of ['json', 'csv'] as const) {
        const rows = (): AsyncIterable<ExportedRow> =>
          personalRows(parts.catalogue, parts.keys, parts.sealer, snapshot.read, portable, id);
        lazily(zip, `${portable.table.name}.${format}`, () => measured(portable, format, rows(), files), fail);
      }
    }
    // Entries are read one after the other, so the manifest is made when all the others are done.
    lazily(zip, 'manifest.json', () => Readable.from([`${JSON.stringify(manifest, null, 2)}\n`]), fail);
    zip.end();
    output.once('end', () => resolve(manifest));
    output.once('close', () => reject(new Error('the export was closed before its end')));
  });
}

function lazily(zip: ZipFile, path: string, open: () => Readable, fail: (error: Error) => void): void {
  zip.addReadStreamLazy(path, (answer) => {
    const stream = open();
    stream.once('error', fail);
    answer(null, stream);
  });
}

/** A file of the archive, counted and hashed as it passes; its line of the manifest is written at its end. */
function measured(
  portable: PortableTable,
  format: 'json' | 'csv',
  rows: AsyncIterable<ExportedRow>,
  files: ManifestFile[],
): Readable {
  const hash = createHash('sha256');
  let count = 0;
  async function* counted(): AsyncGenerator<ExportedRow> {
    for await (const row of rows) {
      count += 1;
      yield row;
    }
  }
  async function* hashed(): AsyncGenerator<Buffer> {
    for await (const chunk of format === 'json' ? jsonArray(portable, counted()) : csv(portable, counted())) {
      const bytes = Buffer.from(chunk);
      hash.update(bytes);
      yield bytes;
    }
    files.push(manifestFile(portable, format, count, hash.digest('hex')));
  }
  return Readable.from(hashed());
}

function csv({ columns }: PortableTable, rows: AsyncIterable<ExportedRow>): AsyncIterable<string | Buffer> {
  const names = columns.map(({ column }) => column.name);
  // escape_formulas: a spreadsheet must not run what a person typed (OWASP, CSV injection)
  const lines = stringify({ header: true, columns: names, escape_formulas: true, record_delimiter: 'windows' });
  return pipeline(Readable.from(rows), lines, () => {
    // an error destroys `lines`, and so reaches whoever reads it
  });
}

function manifestFile(
  { table, columns }: PortableTable,
  format: 'json' | 'csv',
  rows: number,
  sha256: string,
): ManifestFile {
  return {
    path: `${table.name}.${format}`,
    table: table.sqlName,
    format,
    rows,
    sha256,
    columns: columns.map(({ column, category, origin, purpose, basis }) => ({
      name: column.name,
      category,
      origin,
      purpose,
      basis,
    })),
  };
}
