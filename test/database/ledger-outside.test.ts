import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import knexPackage from 'knex';
import { fileJournal, type Journal, localKeys, replay } from '../../src';
import { loadCatalogue } from '../../src/catalogue/load';
import { exportedLedger, verifyExport } from '../../src/checks/ledger-export';
import { ed25519 } from '../../src/crypto/signature';
import { internalsOf } from '../../src/knex/internals';
import { OwnTransactions } from '../../src/knex/own-transactions';
import { genesis, linkOf } from '../../src/registers/link';
import { tamper } from '../support/attacks';
import { backUp } from '../support/backup';
import { runOubli } from '../support/cli';
import { addPeople } from '../support/people';
import { refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

describe('L1: the ledger, with its journal outside', function () {
  this.timeout(180_000);
  let folder: string;
  let world: World;
  const file = (name: string): string => path.join(folder, name);
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'oubli-ledger-'));
    world = await createWorld({ oubli: { journal: fileJournal({ file: file('journal') }) } });
    const people = await addPeople(world.db, 3, '2099-01-01');
    for (const { id } of people) await world.subject('user', id).erase({ because: 'request' });
  });
  afterEach(async () => {
    await world.end();
    await rm(folder, { recursive: true });
  });

  /** Asked for, erased, examined: three entries a person. */
  const ENTRIES = 9;

  it('L1: finds that the end of both tables was cut, at the exact entries, which nothing in the database tells', async () => {
    expect((await world.verifyLedger()).broken).to.deep.equal([]);
    await tamper(
      world.plain,
      'delete from oubli.ledger where entry > 7',
      'delete from oubli.ledger_link where position > 7',
      'update oubli.ledger_head set position = 7, link = (select link from oubli.ledger_link where position = 7)',
    );
    const { broken } = await world.verifyLedger();
    expect(broken.map(({ what, position, entry }) => ({ what, position, entry }))).to.deep.equal([
      { what: 'contradicted', position: 8, entry: '8' },
      { what: 'contradicted', position: 9, entry: '9' },
    ]);
    expect(broken[0]!.says).to.contain('is gone');
  });

  it('L1: finds that both tables were emptied', async () => {
    await tamper(
      world.plain,
      'truncate oubli.ledger, oubli.ledger_link',
      'update oubli.ledger_head set position = 0, link = null',
    );
    const { broken } = await world.verifyLedger();
    expect(broken.map(({ position }) => position)).to.include.members([1, 2, 3, 4, 5, 6]);
  });

  it('L1: is verified offline, without database and without secrets, and says what could not be checked', async () => {
    const exported = await runOubli(['ledger', 'export', '--url', world.url, '--out', file('ledger.ndjson')]);
    expect(exported).to.include({ code: 0 });
    const key = await runOubli(['ledger', 'public-key', '--url', world.url, '--keys', world.keyFile]);
    expect(key.stdout.trim()).to.equal(Buffer.from(world.publicKey).toString('hex'));
    const verify = (...more: string[]) => runOubli(['ledger', 'verify', '--export', file('ledger.ndjson'), ...more]);
    const outside = ['--journal', file('journal'), '--public-key', key.stdout.trim()];

    const whole = await verify(...outside);
    expect(whole).to.include({ code: 0, stderr: '' });
    expect(whole.stdout).to.contain(`the chain is whole: ${ENTRIES} entries`);
    expect(whole.stdout).to.contain('not checked: entries behind position 1, which no checkpoint signs');
    expect((await verify()).stdout).to.contain('only the journal can tell');

    const text = await readFile(file('ledger.ndjson'), 'utf8');
    await writeFile(file('ledger.ndjson'), text.replace('\\"request\\"', '\\"something else\\"'));
    expect(await verify(...outside)).to.include({ code: 1 });
    await writeFile(file('ledger.ndjson'), text.split('\n').slice(0, -2).join('\n'));
    const cut = await verify(...outside);
    expect(cut).to.include({ code: 1 });
    expect(cut.stdout).to.contain(`position ${ENTRIES}, entry ${ENTRIES}, as the journal was told is gone`);
    await writeFile(file('ledger.ndjson'), text);
    const forged = await verify('--journal', file('journal'), '--public-key', '00'.repeat(32));
    expect(forged.stdout).to.contain('was not written by this installation');
    expect((await verify('--public-key', 'abc')).stderr).to.contain('64 digits of hex');
  });

  it('L1: is whole after a replay too, and without the public key what could not be checked is said', async () => {
    const journal = fileJournal({ file: file('journal') });
    const backup = await backUp(world.url);
    const knex = knexPackage({ client: 'pg', connection: world.url, pool: { min: 0, max: 2 } });
    const after = await world.another({ journal });
    const [late] = await addPeople(after.db, 1, '2099-01-01', 500);
    await after.subject('user', late!.id).erase({ because: 'request' });
    await backup.restore();
    await replay(knex, { keys: localKeys({ file: world.keyFile }), journal });
    const lines: string[] = [];
    await new OwnTransactions(internalsOf(knex)).snapshot(async (snapshot) => {
      const { instance } = await loadCatalogue(snapshot);
      for await (const line of exportedLedger(snapshot, instance)) lines.push(line);
    });
    const verify = async (publicKey?: Uint8Array) =>
      verifyExport({ lines: each(lines), name: 'ledger.ndjson', signatures: await ed25519(), journal, publicKey });
    const withKey = await verify(world.publicKey);
    expect(withKey.broken).to.deep.equal([]);
    const { broken, unchecked } = await verify();
    expect(broken).to.deep.equal([]);
    expect(unchecked.join()).to.contain('by which a replay also says what a restore gave up');
    lines.splice(4, 1);
    expect((await verify()).broken).not.to.deep.equal([]);
    await knex.destroy();
    await backup.drop();
  });

  it('L1: offline, every line of the journal is compared with its place in the export, and what is no export is refused', async () => {
    const instance = Buffer.alloc(16, 7);
    async function* lines(count: number): AsyncGenerator<string> {
      yield JSON.stringify({ oubli: 'ledger', version: 1, instance: instance.toString('hex') });
      let link: Uint8Array = genesis(instance);
      for (let position = 1; position <= count; position++) {
        const text = `[${position}]`;
        link = linkOf(link, text);
        yield JSON.stringify({ position, entry: `${position}`, text, link: Buffer.from(link).toString('hex') });
      }
    }
    const told: string[] = [];
    for await (const line of lines(3_000)) {
      const { position, entry, link } = JSON.parse(line);
      if (position)
        told.push(JSON.stringify({ branch: 0, position, entry, at: '0', act: 'erased', key: null, link, mac: '' }));
    }
    const journal: Journal = { name: 'told', append: async () => undefined, read: () => each(told) };
    const verify = async (given: AsyncIterable<string>) =>
      verifyExport({ lines: given, name: 'ledger.ndjson', signatures: await ed25519(), journal });
    expect(await verify(lines(3_000))).to.deep.include({ entries: 3_000, broken: [] });
    const cut = await verify(lines(2_998));
    expect(cut.broken.map(({ position }) => position)).to.deep.equal([2_999, 3_000]);
    for (const line of ['null', '[]', '{"position":1e300}', '{"position":1,"link":"ab"}', 'nothing'])
      expect((await refusalOf(() => verify(each(['{"instance":""}', line])))).code, line).to.equal('NOT_AN_EXPORT');
  });

  it('L1: is verified in the database by the command, with an exit code', async () => {
    const verify = () =>
      runOubli(['ledger', 'verify', '--url', world.url, '--keys', world.keyFile, '--journal', file('journal')]);
    expect(await verify()).to.include({ code: 0, stderr: '' });
    await tamper(world.plain, `update oubli.ledger set because = 'another' where entry = 2`);
    const found = await verify();
    expect(found).to.include({ code: 1 });
    expect(found.stdout).to.contain('entry 2 is not what was written');
  });

  it('L1: has checkpoints at most every five minutes, and whenever there is something new after them', async () => {
    const checkpoints = async (): Promise<number[]> =>
      (await readFile(file('journal'), 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
        .flatMap(({ checkpoint }) => (checkpoint ? [checkpoint.position] : []));
    expect(await checkpoints()).to.deep.equal([1]);
    await world.plain.raw(
      `create or replace function oubli.now() returns timestamptz language sql stable return pg_catalog.now() + interval '5 minutes'`,
    );
    await world.sweep();
    expect(await checkpoints()).to.deep.equal([1, ENTRIES]);
    await world.sweep();
    expect(await checkpoints()).to.deep.equal([1, ENTRIES]);
  });
});

async function* each(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines;
}
