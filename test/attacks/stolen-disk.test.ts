/**
 * Somebody has every byte on disk, of the server, of the archive of its log and of a base backup from before the erasure, and every epoch
 * key that still exists (ENVELOPE.md K5). She reads everybody for as long as the key of that time exists, and the certificate claims
 * nothing else; when it is destroyed she reads the living, and of the erased nothing.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { Client } from 'pg';
import { install, type Receipt, SCHEMA_VERSION } from '../../src';
import { libsodiumEngine } from '../../src/crypto/libsodium';
import { parseKeyDocument } from '../../src/keyring/key-document';
import { Adversary } from '../support/adversary';
import { type FreshServer, startPostgres } from '../support/postgres';
import { createWorld, type World } from '../support/world';

const SETTINGS = {
  full_page_writes: 'on',
  wal_log_hints: 'on',
  wal_level: 'logical',
  autovacuum: 'off',
  archive_mode: 'on',
  archive_command: 'mkdir -p ../archive && cp %p ../archive/%f',
};
const [PEOPLE, ERASED] = [30, 8];
const FOLDERS = { dataDirectory: 'data', archive: 'archive', backup: 'backup' };

async function migrate(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('people', (t) => {
    t.increments('id');
    t.text('name').personal({ category: 'identity.name', protect: 'encrypt' });
    t.text('email').personal({ category: 'contact.email', protect: 'encrypt', search: 'email', unique: true });
    t.text('story').personal({ category: 'activity.content', protect: 'encrypt' });
    t.date('ended_on').notPersonal('the event that starts the clock');
    const retention = { from: 'ended_on', keep: '6 months', then: 'erase' } as const;
    t.dataSubject('person', { purpose: 'tests', basis: 'contract', retention });
  });
}

/** What is written about somebody: short, searchable, and too long for a page. */
function textsOf(who: number): { name: string; email: string; story: string } {
  const unique = `${who}-${randomBytes(6).toString('hex')}`;
  return { name: `name ${unique}`, email: `${unique}@example.org`, story: `${unique} ${'and so on '.repeat(500)}` };
}

describe('Somebody with every byte on disk', function () {
  this.timeout(60_000);
  let server: FreshServer;
  let world: World;
  let folder: string;
  let psql: Client;
  let receipts: Receipt[];
  const people = new Map(Array.from({ length: PEOPLE }, (_, i) => [i + 1, textsOf(i + 1)]));
  const isErased = (id: number): boolean => id <= ERASED;

  before(async () => {
    server = await startPostgres({ fresh: true, settings: SETTINGS });
    folder = path.dirname(server.dataDirectory);
    world = await createWorld({ server: server.url, migrate });
    psql = new Client({ connectionString: server.url });
    await psql.connect();
    await world.db('people').insert([...people].map(([id, texts]) => ({ id, ...texts })));
  });
  after(async () => {
    await psql?.end();
    await world?.end();
    await server?.stop();
  });

  /** What is in memory goes to disk, and what is in the log to the archive. */
  const settle = async (): Promise<void> => {
    await psql.query('checkpoint');
    const { rows } = await psql.query('select pg_walfile_name(pg_switch_wal()) as segment');
    while (!existsSync(path.join(folder, FOLDERS.archive, rows[0].segment))) await wait(20);
  };
  const takeBackup = async (): Promise<void> => {
    await psql.query("select pg_backup_start('before', true)");
    await cp(server.dataDirectory, path.join(folder, FOLDERS.backup), { recursive: true });
    await psql.query('select pg_backup_stop()');
  };
  const adversary = async (...places: (keyof typeof FOLDERS)[]): Promise<Adversary> => {
    const { id: instance } = await world.plain('oubli.instance').first('id'); // no secret: it stands in each certificate
    const folders = places.map((place) => path.join(folder, FOLDERS[place]));
    return new Adversary(await libsodiumEngine(), Buffer.from(instance.replaceAll('-', ''), 'hex'), folders);
  };
  const keysThatExist = async (): Promise<Uint8Array[]> => {
    return [...parseKeyDocument(await readFile(world.keyFile), 'the key file').epochs.values()];
  };
  const certificate = async () => (await world.certificate(receipts[0]?.entry as number)).certificate;
  /** Of how many people she reads everything, of how many anything. */
  const readOf = (texts: Set<string>, whom: (id: number) => boolean): { all: number; any: number } => {
    const each = [...people].filter(([id]) => whom(id)).map(([, said]) => Object.values(said));
    return {
      all: each.filter((said) => said.every((text) => texts.has(text))).length,
      any: each.filter((said) => said.some((text) => texts.has(text))).length,
    };
  };

  const EVERYWHERE = ['dataDirectory', 'archive', 'backup'] as const;

  it('reads everybody before anybody leaves, in each place by itself', async () => {
    await settle();
    await takeBackup();
    for (const place of EVERYWHERE) {
      const texts = (await adversary(place)).read(await keysThatExist());
      expect(
        readOf(texts, () => true),
        place,
      ).to.deep.equal({ all: PEOPLE, any: PEOPLE });
    }
  });

  it('K5: reads the erased as before while the epoch key of that time exists, and no certificate says otherwise', async () => {
    receipts = [];
    for (const [id] of people)
      if (isErased(id))
        receipts.push(await world.subject('person', id).erase({ because: 'her request', probe: 'off' }));
    expect((await world.epochs.rotate({ keep: '14 days' })).drained).to.deep.equal([1]);
    await settle();
    const texts = (await adversary('dataDirectory')).read(await keysThatExist());
    expect(readOf(texts, isErased)).to.deep.equal({ all: ERASED, any: ERASED });
    const { unrecoverableAt, unrecoverableBecause } = await certificate();
    expect(unrecoverableAt).to.equal(null);
    expect(unrecoverableBecause).to.contain('whoever has a copy of the database from before the erasure');
  });

  it('K5: reads nothing of the erased when that key is destroyed, and the living as before', async () => {
    const stolen = await keysThatExist();
    await world.epochs.destroy(1, { because: 'no backup from before is needed' });
    await settle();
    const everything = await adversary(...EVERYWHERE);
    const texts = everything.read(await keysThatExist());
    expect(readOf(texts, isErased)).to.deep.equal({ all: 0, any: 0 });
    expect(readOf(texts, (id) => !isErased(id))).to.deep.equal({ all: PEOPLE - ERASED, any: PEOPLE - ERASED });
    expect(await world.db('people').whereNotNull('name').pluck('id')).to.have.length(PEOPLE - ERASED);
    const { unrecoverableAt, unrecoverableBecause } = await certificate();
    expect(unrecoverableAt).not.to.equal(null);
    expect(unrecoverableBecause).to.contain('was destroyed').and.to.contain('not proven');

    // her bytes are all still there: it is the key that makes the difference
    expect(readOf(everything.read(stolen), isErased)).to.deep.equal({ all: ERASED, any: ERASED });
    expect(everything.found.keys).to.be.at.least(PEOPLE + PEOPLE - ERASED);
  });
});
