/** A returning person (ENVELOPE.md K4): let in again on purpose, under one new key, with a reason; what was erased stays so. */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { localKeys, type Oubli, oubli, type ReplayReport, replay } from '../../src';
import { keyIdOf } from '../../src/crypto/envelope';
import { type Backup, backUp } from '../support/backup';
import { type JournalFile, makeJournalFile, Pools } from '../support/journal-file';
import { seamOf } from '../support/listening';
import { addPerson } from '../support/people';
import { expectFix, failureOf, refusalOf } from '../support/refusals';
import { createRoles } from '../support/roles';
import { untilSomebodyWaits } from '../support/waiting';
import { createWorld, migrateWorld, type World } from '../support/world';

const ALLOWED = 'new lifecycle allowed';
const because = 'signed up again, e-mail confirmed';

/** The law keeps nothing of members, so their rows leave with them; of users it keeps invoices, and their rows stay. */
async function migrateMembers(knex: Knex): Promise<void> {
  await migrateWorld(knex);
  await knex.schema.createTable('members', (t) => {
    t.increments('id');
    t.text('name').personal({ category: 'identity.name', protect: 'encrypt' });
    t.text('email').personal({ category: 'contact.email', protect: 'encrypt', search: 'email', unique: true });
    t.dataSubject('member', {
      purpose: 'provide the service',
      basis: 'contract',
      retention: { from: { event: 'service_ended' }, keep: '6 months', then: 'erase' },
    });
  });
}

interface Returning {
  readonly kind: 'user' | 'member';
  readonly id: number;
}

describe('A person who returns', () => {
  let world: World;
  let other: Oubli;
  let seed = 0;
  before(async () => {
    world = await createWorld({ migrate: migrateMembers });
    other = await world.another();
  });
  after(() => world.end());

  const stays = async (): Promise<Returning> => ({ kind: 'user', id: (await addPerson(world.db, ++seed)).id });
  const leaves = async (): Promise<Returning> => {
    const [{ id }] = await world
      .db('members')
      .insert({ name: 'Ada', email: `m${++seed}@example.org` })
      .returning('id');
    return { kind: 'member', id };
  };
  const erase = ({ kind, id }: Returning, by: Oubli = world) =>
    by.subject(kind, id).erase({ because: 'her request', probe: 'off' });
  const allow = ({ kind, id }: Returning, by: Oubli = world) => by.subject(kind, id).allowNewLifecycle({ because });
  const linkOf = ({ kind, id }: Returning) =>
    world
      .plain('oubli.subject_link')
      .where({ kind, subject_id: `${id}` })
      .first();
  const insert = ({ id }: Returning, by: Oubli = world) =>
    by.db('members').insert({ id, name: 'Back', email: `back${id}@example.org` });
  const allowed = () => world.plain('oubli.ledger').where({ act: ALLOWED }).orderBy('entry');
  const keys = async (): Promise<number> => Number((await world.plain('oubli.subject_key').count())[0]?.count);

  it('K4: is refused until she is let in, by an error that says how', async () => {
    const [ada, eve] = [await leaves(), await stays()];
    await erase(ada);
    await erase(eve);
    const error = await refusalOf(() => insert(ada));
    expect(error.code).to.equal('SUBJECT_ERASED');
    expectFix(error, /^await subject\('member', id\)\.allowNewLifecycle\(\{ because: /);
    const change = await refusalOf(() => world.db('visits').insert({ user_id: eve.id, ip: '203.0.113.7' }));
    expectFix(change, /^await subject\(kind, id\)\.allowNewLifecycle\(/);
  });

  it('K4: is let in with a reason only, and nobody who was not erased', async () => {
    const [ada, living] = [await leaves(), await stays()];
    await erase(ada);
    const before = [await allowed(), await keys()];
    for (const options of [{}, { because: '' }, { because: ' \n' }, undefined])
      expect(await refusalOf(() => world.subject('member', ada.id).allowNewLifecycle(options as never))).to.include({
        code: 'NO_BECAUSE',
      });
    for (const nobody of [living, { kind: 'user', id: 987_654 }] as const) {
      const error = await refusalOf(() => allow(nobody));
      expect(error.code).to.equal('NOT_ERASED');
      expectFix(error, /db\('users'\)\.insert/);
    }
    expect([await allowed(), await keys()]).to.deep.equal(before);
    expect(await refusalOf(() => insert(ada))).to.include({ code: 'SUBJECT_ERASED' });
  });

  it('K4: gets one new key where her row had left, and nobody else is let in; the old one is refused for ever', async () => {
    const [ada, bob] = [await leaves(), await leaves()];
    const { key_id: oldId } = await linkOf(ada);
    const oldKey = await world.plain('oubli.subject_key').where({ key_id: oldId }).first();
    await world.plain.raw(`create table copy_of_ada as select name from members where id = ${ada.id}`);
    await erase(ada);
    await erase(bob);
    const [fenced, before] = [await world.plain('oubli.fence').orderBy('key_id'), await keys()];
    await allow(ada);
    expect(await keys()).to.equal(before + 1);
    const { key_id: newId, erased_at: erasedAt } = await linkOf(ada);
    expect(erasedAt).to.equal(null);
    expect(newId).not.to.deep.equal(oldId);
    expect((await allowed()).at(-1)).to.deep.include({
      act: ALLOWED,
      key_id: newId,
      because,
      details: { kind: 'member' },
    });
    for (const by of [world, other]) {
      await insert(ada, by);
      const [stored] = await world.plain('members').where({ id: ada.id });
      expect(keyIdOf(stored.name)).to.deep.equal(newId);
      expect(
        await by
          .db('members')
          .where({ email: `back${ada.id}@example.org` })
          .pluck('name'),
      ).to.deep.equal(['Back']);
      expect(await by.db('copy_of_ada').pluck('name')).to.deep.equal([null]);
      await world.plain('members').where({ id: ada.id }).delete();
    }
    expect(await world.plain('oubli.fence').orderBy('key_id')).to.deep.equal(fenced);
    expect(await failureOf(() => world.plain('oubli.subject_key').insert(oldKey))).to.have.property('code', 'OU002');
    expect(await refusalOf(() => insert(bob))).to.include({ code: 'SUBJECT_ERASED' });
    expect((await world.verifyLedger()).broken).to.deep.equal([]);
  });

  it('K4: writes where her row had stayed; its clock stands still, and what the law keeps opens through both her lives', async () => {
    const ada = await stays();
    const hers = { user_id: ada.id };
    await world.db('users').where({ id: ada.id }).update({ service_ended_on: '2020-01-01' });
    const addresses = await world.db('invoices').where(hers).orderBy('id').pluck('billing_address');
    await erase(ada);
    const { retained_key_id: retained } = await linkOf(ada);
    await allow(ada);
    expect(await linkOf(ada)).to.deep.include({ retained_key_id: retained, erased_at: null });
    await world.db('users').where({ id: ada.id }).update({ name: 'Back', nickname: 'again' });
    await world.db('visits').insert({ ...hers, ip: '203.0.113.7', at: '2026-01-01T00:00:00Z' });
    const [report] = await world.sweep({ rule: 'subject:user' });
    expect(report).to.include({ gone: 0 });
    const kept = () => other.db('invoices').where(hers).orderBy('id').pluck('billing_address');
    expect(await other.db('users').where({ id: ada.id }).first('name', 'nickname')).to.deep.equal({
      name: 'Back',
      nickname: 'again',
    });
    expect(await kept()).to.deep.equal(addresses);
    await world.db('invoices').insert({ ...hers, billing_address: 'new', total: 1, issued_on: '2026-01-01' });
    await erase(ada);
    expect(await kept()).to.deep.equal([...addresses, 'new']);
    const stored: { billing_address: Buffer }[] = await world.plain('invoices').where(hers);
    const under = new Set(stored.map(({ billing_address: sealed }) => Buffer.from(keyIdOf(sealed)).toString('hex')));
    expect([...under]).to.deep.equal([(await linkOf(ada)).retained_key_id.toString('hex')]);
    expect(await world.plain('visits').where(hers)).to.deep.equal([]);
  });

  it('K4: comes back by no statement past the library: the mark goes with a reason in the ledger, or not at all', async () => {
    const ada = await stays();
    await erase(ada);
    const { key_id: another } = await linkOf(await stays());
    for (const role of ['origin', 'replica']) {
      const revival = world.plain.transaction(async (trx) => {
        await trx.raw(`set local session_replication_role = ${role}`);
        await trx('oubli.subject_link')
          .where({ subject_id: `${ada.id}` })
          .update({ erased_at: null, key_id: another });
      });
      expect(await failureOf(() => revival)).to.have.property('code', 'OU046');
    }
    expect((await linkOf(ada)).erased_at).to.be.instanceOf(Date);
  });

  it('K4: of several processes that let her in at once one does', async () => {
    for (const person of [await leaves(), await stays()]) {
      await erase(person);
      const before = [(await allowed()).length, await keys()] as const;
      const outcomes = await Promise.allSettled([world, other, world].map((by) => allow(person, by)));
      const refused = outcomes.flatMap((each) => (each.status === 'rejected' ? [each.reason.code] : []));
      expect(refused).to.deep.equal(['NOT_ERASED', 'NOT_ERASED']);
      expect([(await allowed()).length, await keys()]).to.deep.equal([before[0] + 1, before[1] + 1]);
    }
  });

  for (const ends of ['commit', 'failure'] as const) {
    it(`K4: while her erasure runs its ${ends} is waited for`, async () => {
      const ada = await stays();
      const holder = await world.plain.transaction();
      await holder('contracts').where({ user_id: ada.id }).forUpdate();
      const said = (work: Promise<unknown>): Promise<string> =>
        work.then(
          () => 'done',
          ({ code }) => code,
        );
      const erasing = said(erase(ada));
      await untilSomebodyWaits(world.plain);
      const {
        rows: [eraser],
      } = await world.plain.raw(
        `select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      const allowing = said(allow(ada, other));
      await untilSomebodyWaits(world.plain, 2);
      if (ends === 'failure') await world.plain.raw('select pg_terminate_backend(?)', [eraser.pid]);
      else await holder.commit();
      expect(await allowing).to.equal(ends === 'commit' ? 'done' : 'NOT_ERASED');
      if (ends === 'failure') await holder.rollback();
      expect((await erasing) === 'done').to.equal(ends === 'commit');
      await other.db('users').where({ id: ada.id }).update({ name: 'Here' });
      expect(await world.db('users').where({ id: ada.id }).pluck('name')).to.deep.equal(['Here']);
    });
  }

  it('K4: is erased again, her second key fenced too, and may return once more', async () => {
    const ada = await leaves();
    const seen: string[] = [];
    for (let life = 1; life <= 3; life++) {
      const [one, another] = life % 2 ? [world, other] : [other, world];
      seen.push((await linkOf(ada)).key_id.toString('hex'));
      expect((await erase(ada, one)).keyId).to.equal(seen.at(-1));
      expect(await refusalOf(() => erase(ada))).to.include({ code: 'ALREADY_ERASED' });
      expect(await refusalOf(() => insert(ada, another))).to.include({ code: 'SUBJECT_ERASED' });
      await allow(ada, another);
      const early = await refusalOf(() => erase(ada));
      expect(early.code, 'let in, and nobody there yet').to.equal('SUBJECT_UNKNOWN');
      await insert(ada, one);
    }
    expect(new Set(seen)).to.have.property('size', 3);
    const ids = seen.map((hex) => Buffer.from(hex, 'hex'));
    const fenced = await world.plain('oubli.fence').whereIn('key_id', ids);
    expect(fenced).to.have.length(3);
    const references = new Set(fenced.map(({ subject_reference: reference }) => reference.toString('hex')));
    expect(references).to.have.property('size', 1);
    await world.subject('member', ada.id).serviceEnded({ on: '2026-01-01' });
    await world.subject('member', ada.id).restrict({ because: 'her address is wrong' });
  });

  it('K4: is let in under the newest epoch by a process that has not heard of it', async () => {
    const ada = await leaves();
    await erase(ada);
    await stays();
    const { store } = seamOf(other.db).keys as unknown as { store: { query(sql: string): Promise<unknown> } };
    await store.query('unlisten oubli_epochs');
    const { epoch } = await world.epochs.rotate();
    await allow(ada, other);
    const { key_id: keyId } = await linkOf(ada);
    const [key] = await world.plain('oubli.subject_key').where({ key_id: keyId });
    expect(key).to.include({ epoch, born: epoch });
    expect((await allowed()).filter(({ key_id: id }) => keyId.equals(id))).to.have.length(1);
    await insert(ada, other);
  });

  it('K4: is let in by the function of the database for the one only whom an entry of the ledger speaks of', async () => {
    const [ada, eve] = [await stays(), await leaves()];
    for (const person of [ada, eve]) await erase(person);
    const reference = seamOf(world.db).keys.referenceOf(eve.kind, `${eve.id}`);
    const key = Buffer.alloc(16, 7);
    const letIn = (by: Knex, { kind, id }: Returning) =>
      by.raw('select oubli.let_in(?, ?, ?, ?, ?, ?, oubli.newest_epoch())', [
        ...[kind, `${id}`, reference, key, Buffer.alloc(72), Buffer.alloc(16, 3)],
      ]);
    for (const person of [ada, eve])
      expect(await failureOf(() => letIn(world.plain, person))).to.have.property('code', 'OU046');
    // with an entry that nobody has linked it is refused at the commit
    const unlinked = world.plain.transaction(async (trx) => {
      await trx('oubli.ledger').insert({ act: ALLOWED, key_id: key, because, details: {} });
      await letIn(trx, eve);
    });
    expect(await failureOf(() => unlinked)).to.have.property('code', 'OU032');
    expect(await refusalOf(() => insert(eve))).to.include({ code: 'SUBJECT_ERASED' });
  });

  it('K4: is let in where keys have a role of their own, which no process may use', async () => {
    const people = [await leaves(), await stays()];
    for (const person of people) await erase(person);
    const roles = await createRoles(world, 'apart', { keysApart: true });
    try {
      for (const person of people) await allow(person, roles.instances.app);
      await roles.instances.app.db('members').insert({ id: people[0]?.id, name: 'Back', email: 'apart@example.org' });
      expect(await world.db('members').where({ email: 'apart@example.org' }).pluck('name')).to.deep.equal(['Back']);
      const barred = () => allow(people[0] as Returning, roles.instances.auditor);
      expect(await failureOf(barred)).to.have.property('code', '42501');
    } finally {
      await roles.drop();
    }
  });
});

describe('A person who returned, in a database that is restored', function () {
  this.timeout(60_000);
  let outside: JournalFile;
  let world: World;
  let backup: Backup | undefined;
  const ada = 1;
  const email = 'ada@example.org';
  const pools = new Pools();

  beforeEach(async () => {
    outside = await makeJournalFile();
    world = await createWorld({ migrate: migrateMembers, oubli: { journal: outside.journal } });
    await world.db('members').insert({ id: ada, name: 'Ada', email });
  });
  afterEach(async () => {
    await pools.end();
    await world.end();
    await backup?.drop();
    await outside.remove();
  });

  const options = () => ({ keys: localKeys({ file: world.keyFile }), journal: outside.journal });
  const served = async (work: (by: Oubli) => Promise<unknown>): Promise<void> => {
    const by = await oubli(pools.connect(world.url), options());
    await work(by).finally(by.close);
  };
  const replayed = (): Promise<ReplayReport> => replay(pools.connect(world.url), options());
  const erase = (by: Oubli) => by.subject('member', ada).erase({ because: 'her request', probe: 'off' });
  const returns = async (by: Oubli): Promise<void> => {
    await by.subject('member', ada).allowNewLifecycle({ because });
    await by.db('members').insert({ id: ada, name: 'Back', email });
  };
  const expectNames = async (by: Oubli, names: string[]): Promise<void> => {
    expect(await by.db('members').where({ id: ada }).pluck('name')).to.deep.equal(names);
    if (names.length === 0)
      expect(await refusalOf(() => by.db('members').insert({ id: ada, email }))).to.include({ code: 'SUBJECT_ERASED' });
  };

  it('S1: of a backup from her new life is not erased by the erasure before it', async () => {
    const bob = { id: 2, name: 'Bob', email: 'bob@example.org' };
    await world.db('members').insert(bob);
    await erase(world);
    await returns(world);
    backup = await backUp(world.url);
    await served((by) => by.subject('member', bob.id).erase({ because: 'his request', probe: 'off' }));
    await backup.restore();
    expect(await replayed()).to.deep.include({ erased: 1, shredded: 0 });
    expect(await world.plain('members').pluck('id')).to.deep.equal([ada]);
    await served((by) => expectNames(by, ['Back']));
  });

  it('S1: of a backup from her new life is erased where that ended too', async () => {
    await erase(world);
    await returns(world);
    backup = await backUp(world.url);
    await served(erase);
    await backup.restore();
    expect(await replayed()).to.deep.include({ erased: 1 });
    await served((by) => expectNames(by, []));
  });

  it('S1: of a backup from her first life is erased again, and let in again on purpose; what is replayed later leaves her alone', async () => {
    backup = await backUp(world.url);
    await served(async (by) => {
      await erase(by);
      await returns(by);
    });
    await backup.restore();
    const { erased, lost } = await replayed();
    expect(erased).to.equal(1);
    expect(lost).to.include({ [ALLOWED]: 1 });
    await served(async (by) => {
      await expectNames(by, []);
      await returns(by);
    });
    expect(await replayed()).to.deep.include({ erased: 0, shredded: 0 });
    await served((by) => expectNames(by, ['Back']));
  });
});
