import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { type Receipt, type SignedCertificate, type Trace, verifyCertificate } from '../../src';
import { canonicalJson } from '../../src/registers/canonical-json';
import { testsOf } from '../../src/registers/certificate';
import { stopClock } from '../../src/testing';
import { runOubli } from '../support/cli';
import { addPerson, type Person } from '../support/people';
import { refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

describe('L4: the certificate of an erasure', () => {
  let world: World;
  let ada: Person;
  let receipt: Receipt;
  let signed: SignedCertificate;
  let folder: string;

  before(async () => {
    world = await createWorld({ oubli: { backups: [{ name: 'nightly', keep: '1 month' }] } });
    folder = mkdtempSync(path.join(tmpdir(), 'oubli-certificate-'));
    await stopClock(world.plain, '2027-01-31T12:00:00Z');
    ada = await addPerson(world.db, 1);
    receipt = await world.subject('user', ada.id).erase({ because: 'request of 3 March, identity checked' });
    signed = await world.certificate(receipt.entry);
  });
  after(async () => {
    await rm(folder, { recursive: true });
    await world.end();
  });

  const traces = (where: string, of = signed): Trace[] =>
    of.certificate.traces.filter((trace) => trace.where === where);
  const trace = (where: string, table?: string, of = signed): Trace | undefined =>
    traces(where, of).find((each) => each.table === table);

  it('L4: states when it was erased, and no moment from which it is unrecoverable, with the reason', () => {
    const { certificate } = signed;
    expect(certificate).to.include({
      erasedAt: '2027-01-31T12:00:00.000000Z',
      unrecoverableAt: null,
      tests: 'none needed',
    });
    expect(certificate.unrecoverableBecause)
      .to.contain('in clear in visits, users')
      .and.to.contain('not every epoch key up to 1');
    const { erasedAt: _, ...rest } = receipt;
    expect(JSON.parse(JSON.stringify(certificate.receipt))).to.deep.equal(JSON.parse(JSON.stringify(rest)));
  });

  it('L4: is the same by entry and by key id, and refused for what is no receipt', async () => {
    expect((await world.certificate(receipt.keyId)).certificate.receipt.entry).to.equal(receipt.entry);
    for (const given of [4711, 'x', '0'.repeat(32), -1]) {
      expect((await refusalOf(() => world.certificate(given))).code, String(given)).to.equal('NO_SUCH_ENTRY');
    }
  });

  it('L4: is verified with the public key alone, and no longer when anything of it was changed', async () => {
    const { publicKey } = signed;
    expect(await verifyCertificate(JSON.parse(JSON.stringify(signed)), publicKey)).to.equal(true);
    const { certificate } = signed;
    const forged: unknown[] = [
      { ...signed, certificate: { ...certificate, unrecoverableAt: '2027-02-01T00:00:00Z' } },
      { ...signed, certificate: { ...certificate, traces: certificate.traces.slice(1) } },
      { ...signed, certificate: { ...certificate, receipt: { ...certificate.receipt, entry: 99 } } },
      { ...signed, signature: signed.signature.replace(/^../, 'ff') },
      { ...signed, signature: '' },
      { ...signed, signature: `${signed.signature}zz` },
      { ...signed, certificate: { ...certificate, more: 1.5 } },
      { ...signed, certificate: { ...certificate, more: JSON.parse('['.repeat(50_000) + ']'.repeat(50_000)) } },
      { certificate },
      null,
    ];
    for (const each of forged) expect(await verifyCertificate(each, publicKey)).to.equal(false);
    expect(await verifyCertificate(signed, randomBytes(32).toString('hex'))).to.equal(false);
    expect((await refusalOf(() => verifyCertificate(signed, 'me'))).code).to.equal('BAD_PUBLIC_KEY');
  });

  it('L4: names nobody, and holds no value', async () => {
    const text = JSON.stringify(signed);
    for (const value of [ada.name, ada.email, 'nick1']) expect(text).not.to.contain(value);
  });

  it('L4: has a line for every place where something may be left, whether it could be read or not', () => {
    const places = new Set(signed.certificate.traces.map(({ where }) => where));
    expect([...places]).to.have.members([
      'dead tuples',
      'heap and index pages',
      'statistics',
      'WAL',
      'archived WAL',
      'replication slots',
      'standbys',
      'logical subscribers',
      'prepared transactions',
      'transactions from before',
      'temporary files',
      'server log',
      'backup nightly',
    ]);
    expect(trace('server log')?.state).to.equal('unknown');
  });

  it('L4: tells tables of which columns were in clear from those that were sealed', () => {
    expect(trace('heap and index pages', 'users')?.state).to.equal('possible');
    expect(trace('heap and index pages', 'contracts')?.state).to.equal('sealed');
  });

  it('L4: says of backups what was declared, to the day, and that it does not know where nothing was', async () => {
    expect(trace('backup nightly')).to.include({ state: 'possible', until: '2027-02-28T12:00:00Z' });
    await stopClock(world.plain, '2027-02-28T12:00:00Z');
    expect(trace('backup nightly', undefined, await world.certificate(receipt.entry))?.state).to.equal('none');
    await stopClock(world.plain, '2027-01-31T12:00:00Z');
    const undeclared = await world.certificate(receipt.entry, { backups: [] });
    expect(trace('backups', undefined, undeclared)).to.include({ state: 'unknown', until: null });
    const refused = await refusalOf(() =>
      world.certificate(receipt.entry, { backups: [{ name: 'x', keep: 'ever' as never }] }),
    );
    expect(refused.code).to.equal('BAD_BACKUP');
  });

  it('L4: sees a slot, a prepared transaction and a publication as they are at this moment', async () => {
    const slot = `cert_${randomBytes(4).toString('hex')}`;
    const settings = await world.plain.raw('select current_setting(?) as level', ['wal_level']);
    await world.plain.raw(`select pg_create_physical_replication_slot(?, true)`, [slot]);
    await world.plain.raw('create publication told for table users');
    try {
      const now = await world.certificate(receipt.entry);
      expect(
        traces('replication slots', now)
          .map(({ says }) => says)
          .join(),
      ).to.contain(`${slot}: physical, not active`);
      expect(traces('logical subscribers', now)[0]).to.deep.include({
        state: 'possible',
        says: 'publication told: whoever subscribes has a copy of its own',
      });
      expect(trace('WAL', undefined, now)?.says).to.contain(`wal_level ${settings.rows[0].level}`);
    } finally {
      await world.plain.raw('drop publication told');
      await world.plain.raw('select pg_drop_replication_slot(?)', [slot]);
    }
  });

  it('L4: says that it does not know what its role may not read', async () => {
    const role = `certifier_${randomBytes(6).toString('hex')}`; // roles belong to the whole server
    await world.plain.raw(
      `create role ${role}; grant usage on schema oubli to ${role}; grant select on all tables in schema oubli to ${role}`,
    );
    const afterCreate = (
      connection: { query(sql: string, done: (error: unknown) => void): void },
      done: (...of: unknown[]) => void,
    ): void => connection.query(`set role ${role}`, (error) => done(error, connection));
    const plain = await world.another({ config: { pool: { min: 0, max: 3, afterCreate } } });
    const { certificate } = await plain.certificate(receipt.entry);
    await plain.close();
    await plain.knex.destroy();
    await world.plain.raw(`drop owned by ${role}; drop role ${role}`);
    const unknown = certificate.traces.filter(({ state }) => state === 'unknown').map(({ where }) => where);
    expect(unknown).to.include.members([
      'WAL',
      'temporary files',
      'transactions from before',
      'statistics',
      'server log',
    ]);
  });

  it('L4: says what our own VACUUM has seen, and of one by hand that nobody can tell what it left', async () => {
    await world.plain.raw(
      `create or replace function oubli.now() returns timestamptz language sql stable return pg_catalog.now()`,
    );
    const bob = await addPerson(world.db, 2);
    const { entry } = await world.subject('user', bob.id).erase({ because: 'a test' });
    expect(trace('dead tuples', 'users', await world.certificate(entry))?.state).to.equal('possible');
    await world.plain.raw('vacuum analyze users');
    await world.plain.raw('select oubli.flush_statistics()'); // before PostgreSQL 15 they come half a second later
    const byHand = trace('dead tuples', 'users', await world.certificate(entry));
    expect(byHand).to.include({ state: 'possible' });
    expect(byHand?.says).to.contain('nobody can tell').and.to.contain('npx oubli vacuum');
    await world.vacuum();
    const now = await world.certificate(entry);
    expect(trace('dead tuples', 'users', now)).to.include({ state: 'none' });
    expect(trace('statistics', 'users', now)).to.include({ state: 'none' });
    expect(trace('heap and index pages', 'users', now)?.state, 'VACUUM overwrites nothing').to.equal('possible');
    await stopClock(world.plain, '2027-01-31T12:00:00Z');
  });

  it('L4: is issued and verified on the command line', async () => {
    const file = path.join(folder, 'certificate.json');
    const env = { DATABASE_URL: world.url };
    const issued = await runOubli(
      ['certificate', String(receipt.entry), '--keys', world.keyFile, '--backup', 'weekly:5 weeks', '--out', file],
      { env },
    );
    expect(issued.stderr).to.equal('');
    const written = JSON.parse(await readFile(file, 'utf8')) as SignedCertificate;
    expect(trace('backup weekly', undefined, written)?.until).to.equal('2027-03-07T12:00:00Z');
    const verified = await runOubli(['certificate', 'verify', file, '--public-key', signed.publicKey]);
    expect(verified.code, verified.stderr).to.equal(0);
    expect(verified.stdout)
      .to.contain('signed with this key, and not changed since')
      .and.to.contain('unrecoverable at (not yet)');
    await writeFile(file, JSON.stringify(written).replace('not yet', 'x').replace('"entry":', '"entry":1'));
    const forged = await runOubli(['certificate', 'verify', file, '--public-key', signed.publicKey]);
    expect(forged.code).to.equal(1);
    expect(forged.stderr).to.contain('was not signed with this key, or was changed since');
  });
});

describe('Of a certificate', () => {
  it('the tests are passed where all were measured and passed, and nowhere else', () => {
    const line = (table: string, effect: 'erases' | 'anonymises if its tests pass') =>
      ({ table, rows: 1, columns: [{ column: 'born', strategy: 'generalised', effect }] }) as const;
    const measured = (table: string, tests: 'passed' | 'not passed') =>
      ({ table, quasiIdentifiers: [], tests }) as const;
    expect(testsOf({ anonymised: [line('a', 'erases')] })).to.equal('none needed');
    expect(testsOf({ anonymised: [line('a', 'anonymises if its tests pass')] })).to.equal('not passed');
    const both = [line('a', 'anonymises if its tests pass'), line('b', 'anonymises if its tests pass')];
    expect(testsOf({ anonymised: both, measured: [measured('a', 'passed')] })).to.equal('not passed');
    expect(testsOf({ anonymised: both, measured: [measured('a', 'passed'), measured('b', 'passed')] })).to.equal(
      'passed',
    );
    expect(testsOf({ anonymised: [line('a', 'erases')], measured: [measured('a', 'not passed')] })).to.equal(
      'not passed',
    );
  });

  it('one value has one canonical text, in whatever order it is written', () => {
    expect(canonicalJson({ b: [1, null, 'é"'], a: { z: true, y: undefined } })).to.equal(
      '{"a":{"z":true},"b":[1,null,"é\\""]}',
    );
    expect(() => canonicalJson({ a: 0.1 })).to.throw(TypeError);
  });
});
