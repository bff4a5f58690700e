/**
 * The right to data portability (GDPR Art. 20): a ZIP of JSON and CSV, "structured, commonly used and machine-readable", with
 * a manifest. Written as it is read: a million rows take no more memory than a hundred.
 */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Catalogue } from '../catalogue/model';
import type { Admit } from '../keyring/scopes';
import type { Sealer } from '../keyring/sealer';
import type { SubjectKeys } from '../keyring/subject-keys';
import type { Queryable } from '../queryable';
import { Archive } from './archive';
import { csv } from './csv';
import { jsonArray } from './json-array';
import { type Manifest, type ManifestFile, manifestFile, pathOf } from './manifest';
import { type ExportedRow, personalRows } from './personal-rows';
import { type PortableTable, portableTables } from './portable';

export type { Manifest, ManifestFile };

export interface ExportParts {
  readonly catalogue: Catalogue;
  readonly keys: SubjectKeys;
  readonly sealer: Sealer;
  /** Runs the work on one consistent view of the database and ends it afterwards. */
  snapshot<T>(work: (snapshot: Queryable) => Promise<T>): Promise<T>;
  /** Whether so much may be opened. */
  readonly admit: Admit;
  /** Records that the export was made. */
  record(kind: string, id: string, manifest: Manifest): Promise<void>;
}

/** Dates are written as ISO 8601 has them, moments in UTC, wherever server and process are. */
const CLOCK = `select oubli.now() as now, set_config('datestyle', 'ISO', true), set_config('timezone', 'UTC', true),
  set_config('bytea_output', 'hex', true)`;

/**
 * @returns the ZIP as a stream; whoever has read it to its end may count on its line in the ledger
 * @throws SubjectErasedError
 */
export async function exportPerson(parts: ExportParts, kind: string, id: string): Promise<Readable> {
  await parts.keys.idsOf(kind, [id]);
  const archive = new Archive();
  const files: ManifestFile[] = [];
  const read = parts.snapshot(async (snapshot): Promise<Manifest> => {
    const [clock] = (await snapshot.query(CLOCK)).rows as [{ now: Date }];
    const whole = portableTables(parts.catalogue, kind).flatMap((portable) =>
      (['json', 'csv'] as const).map((format) => {
        const rows = (): AsyncIterable<ExportedRow> => personalRows(parts, snapshot, portable, id);
        return archive.add(pathOf(portable, format), () => measured(portable, format, rows(), files));
      }),
    );
    // Written last, and when its line stands in the ledger: an archive without manifest is not whole.
    void archive.add('manifest.json', async () => Readable.from([`${JSON.stringify(await recorded, null, 2)}\n`]));
    archive.end();
    await archive.until(Promise.all(whole));
    return { profile: 'portability', article: 'GDPR Art. 20', kind, generatedAt: clock.now.toISOString(), files };
  });
  const recorded = read.then(async (manifest) => {
    await parts.record(kind, id, manifest);
    return manifest;
  });
  recorded.catch((error: Error) => archive.output.destroy(error));
  return archive.output;
}

/** A file of the archive, counted and hashed as it passes; its line of the manifest is written at its end. */
function measured(
  portable: PortableTable,
  format: ManifestFile['format'],
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
