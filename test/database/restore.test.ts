import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { fileJournal, type Journal, localKeys, oubli, type ReplayReport, replay } from '../../src';
import { type Backup, backUp } from '../support/backup';
import { type JournalFile, makeJournalFile, Pools } from '../support/journal-file';
import { addPeople, addPerson, type Person } from '../support/people';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

describe('S1: a database that was restored', function () {
  this.timeout(60_000);
  let outside: JournalFile;
  let file: string;
  let journal: Journal;
  let world: World;
  let backup: Backup;
  let people: Person[];
  const pools = new Pools();

  beforeEach(async () => {
    outside = await makeJournalFile();
    ({ file, journal } = outside);
    world = await createWorld({ oubli: { journal } });
    people = await addPeople(world.db, 6, '2099-01-01');
    await world.subject('user', people[0]!.id).erase({ because: 'before the backup' });
    backup = await backUp(world.url);
  });
  afterEach(async () => {
    await pools.end();
    await world.end();
    await backup.drop();
    await outside.remove();
  });

  const connect = (): Knex => pools.connect(world.url);
  const start = () => oubli(connect(), { keys: localKeys({ file: world.keyFile }), journal });
  /** A service from the time before the database remembered that it has a journal. */
  const careless = async () => {
    const knex = connect();
    await knex('oubli.ledger_told').update({ journal: null });
    return oubli(knex, { keys: localKeys({ file: world.keyFile }) });
  };
  const replayed = (): Promise<ReplayReport> =>
    replay(connect(), { keys: localKeys({ file: world.keyFile }), journal });
  const keyOf = async (knex: Knex, id: number): Promise<Buffer> =>
    (
      await knex('oubli.subject_link')
        .where({ kind: 'user', subject_id: String(id) })
        .first()
    ).key_id;
  const erase = (person: Person | undefined) => world.subject('user', person!.id).erase({ because: 'request' });
  const linesOf = async (): Promise<Record<string, unknown>[]> =>
    (await readFile(file, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));

  it('S1: the journal names each entry and nobody, and ends with signed checkpoints', async () => {
    await erase(people[1]);
    const text = await readFile(file, 'utf8');
    for (const { name, email } of people) expect(text).not.to.contain(name).and.not.to.contain(email);
    const entries = (await linesOf()).filter((line) => 'act' in line);
    const stored =
      await world.plain.raw(`select k.position::int, encode(k.link, 'hex') as link, l.act, encode(l.key_id, 'hex') as key
      from oubli.ledger l join oubli.ledger_link k using (entry) order by k.position`);
    expect(entries.map(({ position, link, act, key }) => ({ position, link, act, key }))).to.deep.equal(stored.rows);
    const [checkpoint] = (await linesOf()).filter((line) => 'checkpoint' in line);
    expect(checkpoint).to.have.nested.property('checkpoint.position', 1);
  });

  it('S1: is refused at start, before anything is read; and is served again after the replay', async () => {
    await erase(people[1]);
    await erase(people[2]);
    await backup.restore();
    const error = await failureOf(start);
    expect(error).to.include({ name: 'RestoreReplayRequiredError', code: 'RESTORE_REPLAY_REQUIRED' });
    expect((error as unknown as { fix: string }).fix).to.equal(`npx oubli replay --journal ${file}`);

    expect(await replayed()).to.deep.include({ erased: 2, shredded: 0, unknown: [] });
    const { db, verifyLedger, close } = await start();
    const names = (await db('users').orderBy('id').select('name')).map(({ name }) => name);
    expect(names).to.deep.equal([null, null, null, ...people.slice(3).map(({ name }) => name)]);
    expect((await verifyLedger()).broken).to.deep.equal([]);
    await close();
  });

  it('S1: erases again by key id: a newcomer who got an old primary key stays as she is', async () => {
    const late = await addPerson(world.db, 500);
    const lateKey = await keyOf(world.plain, late.id);
    await erase(late);
    await erase(people[1]);
    await backup.restore();
    const before = await careless(); // it served the restored database too soon
    const newcomer = await addPerson(before.db, 600);
    await before.close();
    expect(newcomer.id).to.equal(late.id);

    const report = await replayed();
    expect(report).to.deep.include({ erased: 1, unknown: [lateKey.toString('hex')] });
    const { db, close } = await start();
    expect(await db('users').where({ id: newcomer.id }).first('name', 'email')).to.deep.equal({
      name: newcomer.name,
      email: newcomer.email,
    });
    expect(await db('users').where({ id: people[1]!.id }).first('name')).to.deep.equal({ name: null });
    await close();
  });

  it('S1: names the fork in the chain, and goes on from there', async () => {
    await erase(people[1]);
    await erase(people[2]);
    await backup.restore();
    await replayed();
    const acts = await world.plain('oubli.ledger').orderBy('entry').select('act', 'details');
    const before = ['requested', 'erased', 'examined'];
    expect(acts.map(({ act }) => act)).to.deep.equal([...before, 'restored', 'erased', 'erased', 'replayed']);
    const restored = acts.find(({ act }) => act === 'restored');
    expect(restored.details).to.deep.include({
      branch: 1,
      lost: [{ branch: 0, after: 3, position: (await linesOf()).filter((line) => line.branch === 0).length }],
    });
    const forks = (await linesOf()).filter((line) => 'fork' in line);
    expect(forks).to.have.length(1);
    const again = await start();
    await again.subject('user', people[3]!.id).erase({ because: 'later' });
    await again.close();
    const { branch } = (await linesOf()).filter((line) => 'act' in line).at(-1)!;
    expect(branch).to.equal(1);
    await (await start()).close();
  });

  it('S1: replays a second restore too, also to before the first', async () => {
    await erase(people[1]);
    await backup.restore();
    await replayed();
    const between = await start();
    await between.subject('user', people[2]!.id).erase({ because: 'between' });
    await between.close();
    await backup.restore();
    expect((await failureOf(start)).code).to.equal('RESTORE_REPLAY_REQUIRED');
    expect(await replayed()).to.deep.include({ erased: 2 });
    await (await start()).close();
  });

  it('S1: a replay changes nothing the second time, nor where nothing was restored', async () => {
    await erase(people[1]);
    expect(await replayed()).to.deep.equal({
      lost: {},
      erased: 0,
      shredded: 0,
      requested: 0,
      withdrawn: 0,
      unknown: [],
      compromised: [],
    });
    await backup.restore();
    await Promise.all([replayed(), replayed()]);
    const entries = await world.plain('oubli.ledger').select('act', 'key_id');
    expect(entries.filter(({ act }) => act === 'erased')).to.have.length(2);
    const lines = await linesOf();
    expect(await replayed()).to.deep.include({ erased: 0, shredded: 0, lost: {} });
    expect(await linesOf()).to.deep.equal(lines);
    await (await start()).close();
  });

  it('S1: a running process notices when its connections are cut, before it hands out another key', async () => {
    await erase(people[1]);
    expect(await world.db('users').where({ id: people[2]!.id }).first('name')).to.deep.equal({ name: people[2]!.name });
    await backup.restore();
    const read = () => world.db('users').where({ id: people[2]!.id }).first('name');
    const error = await failureOf(async () => {
      for (let attempt = 0; attempt < 20; attempt++)
        await read().catch((failure: Error) => {
          if (failure.name === 'RestoreReplayRequiredError') throw failure;
        });
    });
    expect(error.name).to.equal('RestoreReplayRequiredError');
    expect((await failureOf(() => world.subject('user', people[3]!.id).erase({ because: 'request' }))).name).to.equal(
      'RestoreReplayRequiredError',
    );
    expect(await keyOf(world.plain, people[3]!.id)).not.to.equal(null);
    await replayed();
    await world.subject('user', people[3]!.id).erase({ because: 'request' });
  });

  it('S1: writes nothing to a chain that was rewritten at the place it knows', async () => {
    await erase(people[1]);
    await backup.restore();
    const before = await careless();
    for (const person of people.slice(3, 6)) await before.subject('user', person.id).erase({ because: 'too soon' });
    await before.close();
    expect((await failureOf(start)).code).to.equal('RESTORE_REPLAY_REQUIRED');
    expect(await replayed()).to.deep.include({ erased: 1 });
    await (await start()).close();
  });

  it('S1: catches up what a crash left out of the journal, at the next start', async () => {
    const without = await careless();
    await without.subject('user', people[4]!.id).erase({ because: 'its journal was not configured' });
    await without.close();
    const before = await linesOf();
    await (await start()).close();
    expect((await linesOf()).length).to.be.greaterThan(before.length);
    const told = (await linesOf()).filter((line) => 'act' in line);
    expect(told.map(({ position }) => position)).to.deep.equal(told.map((_, i) => i + 1));
  });

  it('S1: a torn line spoils no other, and is written again', async () => {
    await appendFile(file, '{"branch":0,"position":2,"en');
    await erase(people[1]);
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    expect(lines.filter((line) => line.endsWith('"en'))).to.have.length(1);
    await backup.restore();
    expect(await replayed()).to.deep.include({ erased: 1 });
  });

  it('S1: what the journal cannot take is done, and says so; it is told later', async () => {
    const broken = fileJournal({ file: path.join(path.dirname(file), 'nowhere', 'oubli.journal') });
    let mended = false;
    const flaky: Journal = {
      name: 'flaky',
      append: (lines) => (mended ? journal : broken).append(lines),
      read: (options) => journal.read(options),
    };
    const other = await oubli(connect(), { keys: localKeys({ file: world.keyFile }), journal: flaky });
    const error = await failureOf(() => other.subject('user', people[1]!.id).restrict({ because: 'request' }));
    expect(error).to.include({ name: 'JournalError', code: 'JOURNAL_NOT_WRITTEN' });
    expect(error.message).to.contain('ENOENT');
    mended = true;
    await other.sweep();
    await other.close();
    const stored = await world.plain('oubli.ledger_link').count();
    expect((await linesOf()).filter((line) => 'act' in line)).to.have.length(Number(stored[0]!.count));
  });

  it('S1: refuses a journal of others, and one that was cut', async () => {
    await erase(people[1]);
    const whole = await readFile(file, 'utf8');
    await writeFile(file, whole.replaceAll('"act":"erased"', '"act":"expired"'));
    expect((await failureOf(start)).code).to.equal('JOURNAL_FOREIGN');
    await writeFile(file, `${whole.split('\n')[0]}\n`);
    expect((await failureOf(start)).code).to.equal('JOURNAL_LOST');
    await rm(file);
    expect((await failureOf(start)).code).to.equal('JOURNAL_LOST');
    await writeFile(file, whole);
    await (await start()).close();
  });
});
