/** The scene of portability (GDPR Art. 20): somebody else takes her data along, and the archive is what its manifest says. */
import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import yauzl from 'yauzl';
import type { Manifest, Oubli } from '../../src';
import type { Person } from './people';
import type { Stage } from './stage';

export async function takeDataAlong(stage: Stage, { subject }: Oubli, somebody: Person): Promise<void> {
  stage.scene('Somebody else takes her data along');
  stage.code(`(await subject('user', ${somebody.id}).export({ profile: 'portability' })).pipe(response);`);
  const archive = await buffer(await subject('user', somebody.id).export({ profile: 'portability' }));
  const files = await unzip(archive);
  const manifest = JSON.parse(String(files.get('manifest.json'))) as Manifest;
  const rows = manifest.files.map(({ path, rows, columns, sha256 }) => [
    path,
    String(rows),
    columns.map(({ name }) => name).join(', '),
    `${sha256.slice(0, 12)}…`,
  ]);
  stage.table([`manifest.json (${manifest.article})`, 'rows', 'columns', 'sha256'], rows);
  const isTrue = manifest.files.every(({ path, sha256 }) => sha256Of(files.get(path)) === sha256);
  stage.promise('every file is what the manifest says of it', isTrue && manifest.files.length === files.size - 1);
  const [user] = JSON.parse(String(files.get('users.json')));
  stage.promise('she reads her own data in the clear', user?.name === somebody.name && user?.email === somebody.email);
  const holdsInvoices = manifest.files.some(({ table }) => table === 'invoices');
  stage.promise('invoices, kept under a legal obligation, are not hers to port', !holdsInvoices, manifest.files);
}

function sha256Of(file: Buffer | undefined): string | undefined {
  return file && createHash('sha256').update(file).digest('hex');
}

async function unzip(archive: Buffer): Promise<Map<string, Buffer>> {
  const zip = await yauzl.fromBufferPromise(archive, { lazyEntries: true });
  const files = new Map<string, Buffer>();
  for await (const entry of zip.eachEntry()) {
    files.set(entry.fileName, await buffer(await zip.openReadStreamPromise(entry)));
  }
  return files;
}
