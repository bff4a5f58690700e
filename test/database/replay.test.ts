/** What a replay does to what stays (ERASURE.md S1): kept rows and their keys, archives, people who are held; and its command. */
import { rm } from 'node:fs/promises';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { type Journal, localKeys, newJournal, oubli, type ReplayReport, replay } from '../../src';
import { stopClock } from '../../src/testing';
import { addCustomer, migrateArchive } from '../support/archive';
import { type Backup, backUp } from '../support/backup';
import { runOubli } from '../support/cli';
import { type JournalFile, makeJournalFile, Pools } from '../support/journal-file';
import { addPeople, type Person } from '../support/people';
import { expectFix, failureOf, refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

describe('S1: a replay', function () {
  this.timeout(60_000);
  let outside: JournalFile;
  let file: string;
  let journal: Journal;
  let world: World;
  let backup: Backup | undefined;
  const pools = new Pools();

  async function begin(migrate?: (knex: Knex) => Promise<void>): Promise<void> {
    outside = await makeJournalFile();
    ({ file, journal } = outside);
    const config = { log: { warn: () => undefined } };
    world = await createWorld({ oubli: { journal }, config, ...(migrate ? { migrate } : {}) });
  }
  afterEach(async () => {
    await pools.end();
    await world.end();
    await backup?.drop();
    backup = undefined;
    await outside.remove();
  });

  const connect = (): Knex => pools.connect(world.url);
  const sweeps = { breaker: { people: 1, rows: 1 } };
  const options = () => ({ keys: localKeys({ file: world.keyFile }), journal, sweeps });
  const start = () => oubli(connect(), options());
  const replayed = (): Promise<ReplayReport> => replay(connect(), options());
  const erase = (id: number) => world.subject('user', id).erase({ because: 'request' });
  const linkOf = (id: number) =>
    connect()('oubli.subject_link')
      .where({ kind: 'user', subject_id: String(id) })
      .first();
  const keysThatLive = (...keys: Buffer[]) => connect()('oubli.subject_key').whereIn('key_id', keys).pluck('key_id');

  describe('of people with rows that the law keeps', () => {
    let people: Person[];
    beforeEach(async () => {
      await begin();
      people = await addPeople(world.db, 2, '2099-01-01');
    });

    it('S1: keeps them once more, sealed under a key made now; the one made before the restore is unknown', async () => {
      backup = await backUp(world.url);
      await erase(people[0]!.id);
      const { retained_key_id: before } = await linkOf(people[0]!.id);
      await backup.restore();
      expect(await replayed()).to.deep.include({ erased: 1, shredded: 0 });
      const { key_id, retained_key_id: after } = await linkOf(people[0]!.id);
      expect(key_id).to.equal(null);
      expect(after).not.to.deep.equal(before);
      const rows = await connect().raw(
        'select oubli.key_id(billing_address::bytea) as key from invoices where user_id = ?',
        [people[0]!.id],
      );
      expect(rows.rows.map(({ key }: { key: Buffer }) => key)).to.deep.equal([after, after]);
      const { db, close } = await start();
      expect(await db('invoices').where({ user_id: people[0]!.id }).whereNotNull('billing_address')).to.have.length(2);
      await close();
    });

    it('S1: destroys again the key of kept rows whose time had come; they leave by their rule with the next sweep', async () => {
      await erase(people[0]!.id);
      const { retained_key_id: kept } = await linkOf(people[0]!.id);
      backup = await backUp(world.url);
      await stopClock(world.plain, '2036-01-01');
      await world.sweep();
      expect(await keysThatLive(kept)).to.deep.equal([]);
      await backup.restore();
      expect(await keysThatLive(kept)).to.have.length(1);
      await stopClock(world.plain, '2036-01-02');
      expect((await replayed()).lost).to.include({ shredded: 1 });
      expect(await keysThatLive(kept)).to.deep.equal([]);
      expect(await connect()('oubli.fence').where({ key_id: kept })).to.have.length(1);
      const { sweep, close } = await start();
      await sweep();
      expect(await connect()('invoices').where({ user_id: people[0]!.id })).to.deep.equal([]);
      await close();
    });
  });

  it('S1: moves archived rows to the archive once more, and ends again what had ended there', async () => {
    await begin(migrateArchive);
    const ada = await addCustomer(world.db, 'Adalgisa');
    const bob = await addCustomer(world.db, 'Bertrand');
    await stopClock(world.plain, '2026-03-01');
    await erase(bob.id);
    backup = await backUp(world.url);
    await erase(ada.id);
    await stopClock(world.plain, '2037-01-01');
    await world.sweep();
    expect(await world.plain('oubli_archive.archived_row').where({ source: 'invoices' })).to.deep.equal([]);
    await backup.restore();
    const archiveKeys: Buffer[] = await connect()('oubli.archive_key').pluck('key_id');
    expect(archiveKeys).to.have.length.greaterThan(0);

    const report = await replayed(); // by the clock of the backup, the archive has not ended
    expect(report).to.include({ erased: 1 });
    expect(report.shredded).to.equal(archiveKeys.length);
    expect(await keysThatLive(...archiveKeys)).to.deep.equal([]);
    const rows = await connect()('oubli_archive.archived_row').where({ source: 'invoices' });
    const living = await connect()('oubli.archive_key').pluck('key_id');
    expect(rows.filter(({ key_id }) => living.some((key: Buffer) => key.equals(key_id)))).to.have.length(2);
    expect(await connect()('invoices')).to.deep.equal([]);
    const { verifyLedger, close } = await start();
    expect((await verifyLedger()).broken).to.deep.equal([]);
    await close();
  });

  describe('of people who are held in the backup', () => {
    let people: Person[];
    beforeEach(async () => {
      await begin();
      people = await addPeople(world.db, 3, '2099-01-01');
      await world.holds.open({ name: 'case 1', ground: 'lawsuit' });
    });

    async function restored(held: Parameters<World['holds']['place']>[1]): Promise<Buffer> {
      await world.holds.place('case 1', held);
      const { key_id } = await linkOf(people[0]!.id);
      backup = await backUp(world.url);
      await world.holds.release('case 1', { because: 'settled' });
      await erase(people[0]!.id);
      await erase(people[1]!.id);
      await backup.restore();
      return key_id;
    }

    async function isRefusedUntilReleased(keyId: Buffer): Promise<void> {
      const refused = await refusalOf(replayed);
      expect(refused).to.include({ name: 'RestoreReplayRequiredError', code: 'REPLAY_INCOMPLETE' });
      expectFix(refused, /npx oubli hold release 'case 1' .* npx oubli replay --journal/);
      expect(await keysThatLive(keyId)).to.deep.equal([keyId]);
      expect(
        await connect()('notes').join('contracts', 'contracts.id', 'contract_id').where({ user_id: people[0]!.id }),
      ).to.have.length(1);
      expect((await linkOf(people[1]!.id)).erased_at, 'the others are erased').not.to.equal(null);
      expect((await failureOf(start)).code).to.equal('RESTORE_REPLAY_REQUIRED');

      const where = ['--url', world.url, '--keys', world.keyFile, '--journal', file];
      const released = await runOubli(['hold', 'release', 'case 1', '--because', 'released before', ...where]);
      expect(released, released.stderr).to.include({ code: 0 });
      await replayed();
      expect(await keysThatLive(keyId)).to.deep.equal([]);
      await (await start()).close();
    }

    it('S1: leaves them, is not done, and says how to go on', async () => {
      await isRefusedUntilReleased(await restored(world.subject('user', people[0]!.id)));
    });

    it('S1: and so where a single row of theirs is held: its key is not destroyed under it', async () => {
      const note = await world
        .plain('notes')
        .join('contracts', 'contracts.id', 'contract_id')
        .where({ user_id: people[0]!.id })
        .first('notes.id');
      await isRefusedUntilReleased(await restored({ table: 'notes', rows: [note.id] }));
    });
  });

  describe('on the command line', () => {
    it('S1: erases again, says what was lost, and says nothing is where nothing is', async () => {
      await begin();
      const people = await addPeople(world.db, 3, '2099-01-01');
      backup = await backUp(world.url);
      await erase(people[0]!.id);
      await backup.restore();
      const where = ['--url', world.url, '--keys', world.keyFile, '--journal', file];
      const done = await runOubli(['replay', ...where]);
      expect(done).to.include({ code: 0, stderr: '' });
      expect(done.stdout).to.match(/in the journal only: .*1 erased/);
      expect(done.stdout).to.contain('erased again: 1 people');
      expect(done.stdout).to.contain('verified: no key that the journal names as destroyed lives');
      for (const { name } of people) expect(done.stdout).not.to.contain(name);
      const again = await runOubli(['replay', ...where]);
      expect(again).to.include({ code: 0 });
      expect(again.stdout)
        .to.contain('the database is not behind the journal')
        .and.to.contain('erased again: 0 people');
      await (await start()).close();
    });

    it('S1: refuses a journal of somebody else, with exit code 1', async () => {
      await begin();
      const [person] = await addPeople(world.db, 1, '2099-01-01');
      await erase(person!.id);
      const stranger = await createWorld();
      try {
        const where = ['--url', stranger.url, '--keys', stranger.keyFile, '--journal', file];
        const refused = await runOubli(['replay', ...where]);
        expect(refused).to.include({ code: 1, stdout: '' });
        expect(refused.stderr).to.contain('holds a line that this installation did not write');
      } finally {
        await stranger.end();
      }
    });
  });

  describe('from a journal that was begun anew', () => {
    let people: Person[];
    const because = 'the disk of the old one is broken';
    const begun = () => newJournal(connect(), options(), { because });
    beforeEach(async () => {
      await begin();
      people = await addPeople(world.db, 3, '2099-01-01');
      await erase(people[0]!.id);
    });

    it('S1: knows all that the ledger knows, which says that it was begun, and why', async () => {
      await rm(file);
      expect((await failureOf(start)).code).to.equal('JOURNAL_LOST');
      const { entries } = await begun();
      const [{ count }] = (await world.plain('oubli.ledger_link').count()) as [{ count: string }];
      expect(entries).to.equal(Number(count));
      const [entry] = await world.plain('oubli.ledger').where({ act: 'journal begun' });
      expect(entry).to.deep.include({ because, key_id: null, details: { left: 0, told: entries - 1 } });
      const { verifyLedger, close } = await start();
      expect((await verifyLedger()).broken).to.deep.equal([]);
      await close();

      backup = await backUp(world.url);
      await erase(people[1]!.id);
      await backup.restore();
      expect((await failureOf(start)).code).to.equal('RESTORE_REPLAY_REQUIRED');
      expect(await replayed()).to.deep.include({ erased: 1 });
      await (await start()).close();
    });

    describe('while a process tells the one before', () => {
      const linesOf = async (of: Journal): Promise<string[]> => {
        const lines: string[] = [];
        for await (const line of of.read()) lines.push(line);
        return lines;
      };
      const positionsIn = async (of: Journal): Promise<Set<number>> =>
        new Set((await linesOf(of)).flatMap((line) => JSON.parse(line).position ?? []));
      const linked = async () => Number((await world.plain('oubli.ledger_link').max('position as last').first())?.last);
      let other: JournalFile;
      beforeEach(async () => {
        other = await makeJournalFile();
      });
      afterEach(() => other.remove());
      const begunElsewhere = () => newJournal(connect(), { ...options(), journal: other.journal }, { because });

      it('S1: writes nothing more, and what it had not told is told there', async () => {
        await rm(file);
        await begunElsewhere();
        const before = await linked();
        const error = await refusalOf(() => erase(people[1]!.id));
        expect(error).to.include({ name: 'JournalError', code: 'JOURNAL_REPLACED', journal: file });
        expectFix(error, /oubli\(knex, \{ keys, journal: fileJournal\(/);
        expect(error.fix).to.contain(other.file);
        expect(await world.plain('users').where({ id: people[1]!.id }).whereNotNull('name')).to.have.length(1);
        expect((await failureOf(() => world.sweep())).code).to.equal('JOURNAL_REPLACED');
        expect(await linked()).to.equal(before);
        expect(await linesOf(journal), 'of the old one').to.deep.equal([]);
        expect((await positionsIn(other.journal)).size).to.equal(before);
        expect((await failureOf(start)).code, 'with the old one').to.equal('JOURNAL_LOST');
        const { verifyLedger, close } = await oubli(connect(), { ...options(), journal: other.journal });
        expect((await verifyLedger()).broken).to.deep.equal([]);
        await close();
      });

      it('S1: nor where it was told between the two, which the new one is told as well', async () => {
        let begin = async (): Promise<unknown> => undefined;
        const old: Journal = {
          ...journal,
          append: async (lines) => {
            await begin();
            await journal.append(lines);
          },
        };
        const { subject, close } = await oubli(connect(), { ...options(), journal: old });
        begin = async () => {
          begin = async () => undefined;
          await rm(file);
          await begunElsewhere();
        };
        const error = await failureOf(() => subject('user', people[1]!.id).erase({ because: 'request' }));
        expect(error).to.include({ name: 'JournalError' });
        expect((await positionsIn(other.journal)).size).to.equal(await linked());
        await close();
      });

      it('S1: does not start where the new one was told nothing yet', async () => {
        await world.plain('oubli.ledger_told').update({ begun: 1, position: 0, journal: other.file });
        expect((await refusalOf(start)).code).to.equal('JOURNAL_REPLACED');
        await (await oubli(connect(), { ...options(), journal: other.journal })).close();
        expect((await positionsIn(other.journal)).size).to.equal(await linked());
      });

      it('S1: goes on where it has the same name', async () => {
        await rm(file);
        await begun();
        await erase(people[1]!.id);
        expect((await positionsIn(journal)).size).to.equal(await linked());
      });
    });

    it('S1: is refused where the database is behind what is left of the old one', async () => {
      backup = await backUp(world.url);
      await erase(people[1]!.id);
      await backup.restore();
      const error = await refusalOf(begun);
      expect(error).to.include({ name: 'JournalError', code: 'JOURNAL_KNOWS_MORE' });
      expectFix(error, /npx oubli replay --journal/);
      expect(await world.plain('oubli.ledger').where({ act: 'journal begun' })).to.deep.equal([]);
    });

    it('S1: is refused where nothing is lost, and without a reason', async () => {
      expect((await failureOf(begun)).code).to.equal('JOURNAL_COMPLETE');
      await rm(file);
      expect((await failureOf(() => newJournal(connect(), options(), { because: ' ' }))).code).to.equal(
        'JOURNAL_WITHOUT_BECAUSE',
      );
      const where = ['--url', world.url, '--keys', world.keyFile, '--journal', file];
      const refused = await runOubli(['ledger', 'new-journal', ...where]);
      expect(refused).to.include({ code: 1 });
      expect(refused.stderr).to.contain('--because');
      const done = await runOubli(['ledger', 'new-journal', ...where, '--because', because]);
      expect(done).to.include({ code: 0, stderr: '' });
      expect(done.stdout).to.match(/wrote \d+ entries/);
      await (await start()).close();
    });
  });
});
