/**
 * Whom a replay erases (ERASURE.md S1): everybody of whom the journal says it, also whose key the backup never knew, and nobody else. What
 * is due waits for the next sweep; what was held after the backup is held again first.
 */
import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import type { Knex } from 'knex';
import {
  type DuringReplay,
  duringReplay,
  install,
  type Journal,
  localKeys,
  type OubliOptions,
  oubli,
  type ReplayOptions,
  type ReplayReport,
  replay,
  SCHEMA_VERSION,
} from '../../src';
import { stopClock } from '../../src/testing';
import { type Backup, backUp } from '../support/backup';
import { type JournalFile, makeJournalFile, Pools } from '../support/journal-file';
import { addPeople, type Person } from '../support/people';
import { expectFix, failureOf, refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

/** A club of whose members nothing is sealed. */
async function migrateMembers(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('members', (t) => {
    t.increments('id');
    t.text('nickname').personal({ category: 'contact.handle', protect: 'clear', because: 'shown on public pages' });
    t.date('left_on').notPersonal('the event that starts the clock');
    t.dataSubject('member', {
      purpose: 'a club',
      basis: 'contract',
      retention: { from: 'left_on', keep: '6 months', then: 'erase' },
    });
  });
}

describe('S1: a replay erases exactly whom the journal names', function () {
  this.timeout(60_000);
  let outside: JournalFile;
  let file: string;
  let journal: Journal;
  let world: World;
  let backup: Backup;
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
    await backup.drop();
    await outside.remove();
  });

  const connect = (): Knex => pools.connect(world.url);
  const options = (): OubliOptions => ({ keys: localKeys({ file: world.keyFile }), journal });
  const start = () => oubli(connect(), options());
  const replayed = (how?: ReplayOptions): Promise<ReplayReport> => replay(connect(), options(), how);
  const erase = (kind: string, id: number) => world.subject(kind, id).erase({ because: 'request' });

  describe('who are members of whom nothing was sealed', () => {
    let ids: number[];
    beforeEach(async () => {
      await begin(migrateMembers);
      const rows = await world.db('members').insert(['zorro', 'zaza', 'zoe', 'zeno'].map((nickname) => ({ nickname })));
      expect(rows).to.be.an('object');
      ids = await world.plain('members').orderBy('id').pluck('id');
      expect(await world.plain('oubli.subject_link')).to.deep.equal([]);
      backup = await backUp(world.url);
    });
    const nicknames = (knex: Knex) => knex('members').orderBy('id').pluck('nickname');

    it('S1: and finds them by the keyed reference that the journal has of them', async () => {
      await erase('member', ids[0]!);
      await erase('member', ids[2]!);
      const text = await readFile(file, 'utf8');
      for (const named of ['zorro', 'member', `"${ids[0]}"`])
        expect(text.replace(/"entry":"\d+"/g, '')).not.to.contain(named);
      await backup.restore();
      expect(await replayed()).to.deep.include({ erased: 2, shredded: 0, unknown: [] });
      const { db, close } = await start();
      expect(await nicknames(db)).to.deep.equal(['zaza', 'zeno']);
      await close();
      expect(await replayed()).to.deep.include({ erased: 0, unknown: [] });
    });

    it('S1: also where it was struck down when they had got a key, and were not erased yet', async () => {
      await erase('member', ids[0]!);
      await backup.restore();
      const plain = connect();
      await plain.raw(
        `create function stop() returns trigger language plpgsql as $$ begin raise 'struck down'; end $$`,
      );
      await plain.raw('create trigger stops before delete on members for each row execute function stop()');
      expect((await failureOf(replayed)).message).to.contain('struck down');
      expect(await plain('oubli.subject_link').whereNotNull('key_id'), 'the key is made first').to.have.length(1);
      await plain.raw('drop trigger stops on members');
      expect(await replayed()).to.deep.include({ erased: 1, unknown: [] });
      expect(await nicknames(plain)).to.deep.equal(['zaza', 'zoe', 'zeno']);
    });

    it('S1: but not who has had one of their names since a replay; a backup from before it is gone through again', async () => {
      const add = async (nickname: string, knex: Knex): Promise<number> =>
        (await knex('members').insert({ nickname }).returning('id'))[0].id;
      const old = await add('old', world.plain);
      await erase('member', old);
      await erase('member', ids[0]!);
      await backup.restore();
      expect((await replayed()).erased).to.equal(1);
      const plain = connect();
      expect(await add('newcomer', plain), 'the sequence came back, too').to.equal(old);
      expect((await replayed()).erased).to.equal(0);
      expect(await nicknames(plain)).to.deep.equal(['zaza', 'zoe', 'zeno', 'newcomer']);
      await plain.destroy();
      await backup.restore();
      expect((await replayed()).erased).to.equal(1);
      expect(await nicknames(connect())).to.deep.equal(['zaza', 'zoe', 'zeno']);
    });

    it('S1: and opens again what they had asked for', async () => {
      await world.holds.open({ name: 'case 1', ground: 'lawsuit' });
      await world.holds.place('case 1', world.subject('member', ids[1]!));
      expect((await failureOf(() => erase('member', ids[1]!))).code).to.equal('HELD');
      await world.holds.release('case 1', { because: 'settled' });
      await backup.restore();
      expect(await replayed()).to.deep.include({ erased: 0, requested: 1 });
      const { requests, close } = await start();
      expect(await requests({ open: true })).to.have.length(1);
      await close();
    });

    it('S1: in halves where too many at once take too long, down to one who takes long by herself', async () => {
      for (const id of ids) await erase('member', id);
      await backup.restore();
      const plain = connect();
      await plain.raw(`
        create sequence attempt;
        create function dawdle() returns trigger language plpgsql as $$
        begin
          perform nextval('attempt'); -- which no rollback undoes
          if (select count(*) from gone) > 1 then
            raise exception 'canceling statement due to statement timeout' using errcode = '57014';
          end if;
          return null;
        end $$;
        create trigger dawdles after delete on members referencing old table as gone for each statement execute function dawdle()`);
      expect(await replayed()).to.deep.include({ erased: 4, unknown: [] });
      expect(await nicknames(plain)).to.deep.equal([]);
      expect(await plain('oubli.ledger').where({ act: 'erased' })).to.have.length(4);
      const [{ last_value: attempts }] = await plain('attempt').select('last_value');
      expect(Number(attempts), 'four, two, one; two, one; two, one; one').to.equal(8);
    });

    it('S1: and is refused where one of them is locked for too long; run again it goes on where it was', async () => {
      for (const id of ids) await erase('member', id);
      await backup.restore();
      const plain = connect();
      await plain.raw(`
        create function refuse() returns trigger language plpgsql as $$
        begin
          if exists (select from gone where nickname = 'zoe') then
            raise exception 'canceling statement due to lock timeout' using errcode = '55P03';
          end if;
          return null;
        end $$;
        create trigger refuses after delete on members referencing old table as gone for each statement execute function refuse()`);
      expect((await refusalOf(replayed)).code).to.equal('SUBJECT_LOCKED');
      await plain.raw('drop trigger refuses on members');
      expect((await replayed()).erased).to.be.within(1, 3);
      expect(await nicknames(plain)).to.deep.equal([]);
    });

    it('S1: and stops while one of them is held by the journal only', async () => {
      await world.holds.open({ name: 'case 1', ground: 'lawsuit' });
      await world.holds.place('case 1', world.subject('member', ids[1]!));
      await erase('member', ids[0]!);
      await backup.restore();
      expect((await refusalOf(replayed)).code).to.equal('REPLAY_HOLDS_LOST');
    });
  });

  describe('and what they asked for and took back', () => {
    let person: Person;
    beforeEach(async () => {
      await begin();
      [person] = (await addPeople(world.db, 1, '2099-01-01')) as [Person];
    });
    const ada = () => world.subject('user', person.id);
    /** A case stands in the way, which is over at once. */
    async function ask(because: string): Promise<void> {
      await world.holds.open({ name: because, ground: 'a claim' });
      await world.holds.place(because, ada());
      expect((await failureOf(() => ada().erase({ because }))).code).to.equal('HELD');
      await world.holds.release(because, { because: 'settled' });
    }
    const takeBack = () => ada().reactivated({ withdraws: 'her call' });
    async function openRequests(): Promise<string[]> {
      const { requests, close } = await start();
      const open = await requests({ open: true });
      await close();
      return open.map(({ because }) => because);
    }
    const LOST = 'requested before the database was restored; the reason is lost, the journal does not hold it';

    it('L2: a request that she took back is not opened again', async () => {
      backup = await backUp(world.url);
      await ask('her letter');
      await takeBack();
      await backup.restore();
      expect(await replayed()).to.deep.include({ requested: 0, withdrawn: 0 });
      expect(await openRequests()).to.deep.equal([]);
    });

    it('L2: one that she made after she had taken one back is, once, whoever replays it how often', async () => {
      await ask('her letter');
      await takeBack();
      backup = await backUp(world.url);
      await ask('her second letter');
      await backup.restore();
      expect(await replayed()).to.deep.include({ requested: 1, withdrawn: 0 });
      expect(await openRequests()).to.deep.equal([LOST]);
      expect(await replayed()).to.deep.include({ requested: 0, withdrawn: 0 });
      expect(await openRequests()).to.deep.equal([LOST]);
    });

    it('L2: one that she took back after the backup is so again, and the next sweep does not carry it out', async () => {
      await ask('her letter');
      backup = await backUp(world.url);
      await takeBack();
      await backup.restore();
      expect(await connect()('oubli.deferred_request')).to.have.length(1);
      expect(await replayed()).to.deep.include({ requested: 0, withdrawn: 1 });
      expect(await openRequests()).to.deep.equal([]);
      const { sweep, verifyLedger, close } = await start();
      await sweep();
      expect((await verifyLedger()).broken).to.deep.equal([]);
      await close();
      expect(await connect()('users').where({ id: person.id }).whereNotNull('name')).to.have.length(1);
      const [entry] = await connect()('oubli.ledger').where({ act: 'erasure withdrawn' });
      expect(entry.details).to.deep.equal({ kind: 'user' });
      expect(await replayed()).to.deep.include({ requested: 0, withdrawn: 0 });
    });

    it('L2: taken back and made again since the backup, it is open, and carried out', async () => {
      await ask('her letter');
      backup = await backUp(world.url);
      await takeBack();
      await ask('her second letter');
      await backup.restore();
      expect(await replayed()).to.deep.include({ requested: 0, withdrawn: 0 });
      expect(await openRequests()).to.deep.equal(['her letter']);
      const { sweep, close } = await start();
      await sweep();
      await close();
      expect(await connect()('users').where({ id: person.id }).whereNotNull('name')).to.deep.equal([]);
    });
  });

  describe('and nobody by rule', () => {
    let people: Person[];
    let due: Person;
    beforeEach(async () => {
      await begin();
      people = await addPeople(world.db, 3, '2099-01-01');
      [due] = (await addPeople(world.db, 1, '2020-01-01', 900)) as [Person];
      backup = await backUp(world.url);
    });
    const isThere = async (who: Person): Promise<boolean> => {
      const [row] = await connect()('users').where({ id: who.id });
      return row?.nickname !== null;
    };

    it('S1: who is due waits for the next sweep', async () => {
      await erase('user', people[0]!.id);
      await backup.restore();
      expect(await replayed()).to.deep.include({ erased: 1 });
      expect(await isThere(due)).to.equal(true);
      const { sweep, close } = await start();
      await sweep();
      expect(await isThere(due)).to.equal(false);
      await close();
    });

    it('S1: who was held after the backup is held again first, and then the replay comes to its end', async () => {
      await world.holds.open({ name: 'case 1', ground: 'lawsuit' });
      await world.holds.place('case 1', world.subject('user', due.id));
      await erase('user', people[0]!.id);
      await backup.restore();
      for (let attempt = 0; attempt < 2; attempt++) {
        const refused = await refusalOf(replayed);
        expect(refused).to.include({ name: 'RestoreReplayRequiredError', code: 'REPLAY_HOLDS_LOST' });
        expect(refused.message).to.match(/^1 holds and 0 restrictions .* [0-9a-f]{32} /);
        expectFix(refused, /npx oubli hold place .* npx oubli replay --journal .* --without-holds/);
      }
      expect(await isThere(people[0]!), 'nothing was done').to.equal(true);
      expect((await failureOf(start)).code).to.equal('RESTORE_REPLAY_REQUIRED');

      await heldAgain(({ holds }) => holds.place('case 1', { kind: 'user', id: due.id }));
      expect(await replayed()).to.deep.include({ erased: 1 });
      const { sweep, close } = await start();
      await sweep();
      expect(await isThere(due)).to.equal(true);
      await close();
    });

    it('S1: nobody is held again before the replay has begun', async () => {
      await erase('user', people[0]!.id);
      await backup.restore();
      const refused = await refusalOf(() => heldAgain(async () => undefined));
      expect(refused).to.include({ code: 'RESTORE_REPLAY_REQUIRED' });
    });

    it('S1: and so who was restricted', async () => {
      await world.subject('user', due.id).restrict({ because: 'she contests her address' });
      await backup.restore();
      expect((await refusalOf(replayed)).message).to.match(/^0 holds and 1 restrictions /);
      await heldAgain(({ restrict }) => restrict('user', due.id, { because: 'again' }));
      await replayed();
      await (await start()).close();
    });

    it('S1: and whose single rows were held: the journal knows the case, and not which', async () => {
      await world.holds.open({ name: 'case 1', ground: 'lawsuit' });
      await world.holds.place('case 1', { table: 'invoices', rows: [1] });
      await backup.restore();
      expect((await refusalOf(replayed)).message).to.contain('They concern single rows');
      await heldAgain(({ holds }) => holds.place('case 1', { table: 'invoices', rows: [1, 2] }));
      await replayed();
    });

    it('S1: nothing stops it that was released, lifted or outlived before the restore', async () => {
      await world.holds.open({ name: 'case 1', ground: 'lawsuit' });
      await world.holds.place('case 1', world.subject('user', due.id));
      await world.holds.place('case 1', { table: 'invoices', rows: [1] });
      await world.holds.release('case 1', { because: 'settled' });
      await world.subject('user', due.id).restrict({ because: 'she contests her address' });
      await world.subject('user', due.id).liftRestriction({ because: 'corrected', inform: async () => undefined });
      await world.subject('user', people[1]!.id).restrict({ because: 'she contests her address' });
      await erase('user', people[1]!.id);
      await backup.restore();
      expect(await replayed()).to.deep.include({ erased: 1 });
    });

    it('S1: what cannot be held again is given up with a reason, which is written down', async () => {
      await world.holds.open({ name: 'case 1', ground: 'lawsuit' });
      await world.holds.place('case 1', world.subject('user', due.id));
      await backup.restore();
      expect((await refusalOf(() => replayed({ withoutHolds: ' ' }))).code).to.equal('REPLAY_HOLDS_LOST');
      await replayed({ withoutHolds: 'settled last week' });
      const [entry] = await connect()('oubli.ledger').where({ act: 'replayed' });
      expect(entry.details).to.include({ withoutHolds: 'settled last week' });
      expect(await replayed(), 'once and for all').to.deep.include({ lost: {} });
      await (await start()).close();
    });

    /** Places again what was lost, while the replay is not at its end. */
    async function heldAgain(place: (instance: DuringReplay) => Promise<unknown>): Promise<void> {
      await duringReplay(connect(), options(), async (instance) => {
        await instance.holds.open({ name: 'case 1', ground: 'lawsuit' });
        await place(instance);
      });
    }
  });

  it('S1: whoever restricted the processing is left, until that is lifted again', async () => {
    await begin();
    const [person] = (await addPeople(world.db, 1, '2099-01-01')) as [Person];
    const lift = { because: 'the claim is settled', inform: async () => undefined };
    await world.subject('user', person.id).restrict({ because: 'she needs it', ground: 'claims' });
    backup = await backUp(world.url);
    await world.subject('user', person.id).liftRestriction(lift);
    await erase('user', person.id);
    await backup.restore();
    const refused = await refusalOf(replayed);
    expect(refused).to.include({ code: 'REPLAY_INCOMPLETE' });
    expectFix(refused, /^await duringReplay\(.* npx oubli replay --journal/);
    await duringReplay(connect(), options(), ({ liftRestriction }) => liftRestriction('user', person.id, lift));
    expect(await replayed()).to.deep.include({ erased: 1 });
    await (await start()).close();
  });

  it('S1: a key of kept rows is not destroyed while one of them is held', async () => {
    await begin();
    const [person] = (await addPeople(world.db, 1, '2099-01-01')) as [Person];
    await erase('user', person.id);
    const [link] = await world.plain('oubli.subject_link').where({ kind: 'user', subject_id: String(person.id) });
    const kept: Buffer = link.retained_key_id;
    await world.holds.open({ name: 'case 1', ground: 'an audit' });
    const invoices = await world.plain('invoices').where({ user_id: person.id }).pluck('id');
    await world.holds.place('case 1', { table: 'invoices', rows: [invoices[0]] });
    backup = await backUp(world.url);
    await world.holds.release('case 1', { because: 'closed' });
    await stopClock(world.plain, '2036-01-01');
    await world.sweep();
    const living = () => connect()('oubli.subject_key').where({ key_id: kept });
    expect(await living()).to.deep.equal([]);
    await backup.restore();

    const refused = await refusalOf(replayed);
    expect(refused).to.include({ code: 'REPLAY_INCOMPLETE' });
    expect(refused.message).to.contain("'case 1' holds them");
    expect(await living()).to.have.length(1);
  });
});
