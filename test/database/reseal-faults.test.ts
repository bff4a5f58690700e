/**
 * What may have values under a key that was replaced while nobody sees them: transactions that are older, copies under way, tables that are
 * rewritten, rows that a trigger keeps, types that a value stands in. No key is destroyed before (ENVELOPE.md K3-K5).
 */
import { expect } from 'chai';
import knexPackage from 'knex';
import { localKeys, oubli, replay } from '../../src';
import { internalsOf } from '../../src/knex/internals';
import { OwnTransactions } from '../../src/knex/own-transactions';
import type { Reseal } from '../../src/lifecycle/reseal/reseal';
import { usesOf } from '../../src/lifecycle/reseal/uses';
import { backUp } from '../support/backup';
import { makeJournalFile } from '../support/journal-file';
import { refusalOf } from '../support/refusals';
import { until, untilSomebodyWaits } from '../support/waiting';
import { createWorld, type World } from '../support/world';

const BECAUSE = 'the key file was in a public repository';

describe('A reseal, and what it cannot see', function () {
  this.timeout(60_000);
  let world: World;
  before(async () => {
    world = await createWorld();
  });
  after(() => world.end());

  let count = 0;
  const people = async (some: number): Promise<number[]> => {
    const rows = Array.from({ length: some }, () => ({ email: `p${++count}@example.org`, name: `n${count}` }));
    return (await world.db('users').insert(rows).returning('id')).map(({ id }) => Number(id));
  };
  const newest = async (): Promise<number> => (await world.epochs.list())[0]?.epoch as number;
  /** Everybody's key. */
  const reseal = async (signal?: AbortSignal): Promise<Reseal> =>
    world.epochs.compromised(await newest(), { because: BECAUSE, ...(signal ? { signal } : {}) });
  const untilClosed = (): Promise<void> =>
    until(
      'keys that are closed',
      async () => (await world.plain('oubli.subject_key').whereNotNull('closed')).length > 0,
    );
  /** Values under keys that are no more. */
  const lost = async (from: string): Promise<number> => {
    const { rows } = await world.plain.raw(
      `select count(*)::int as n from (${from}) x(v) where not exists (select from oubli.subject_key k where k.key_id = oubli.key_id(v::bytea))`,
    );
    return rows[0].n;
  };

  for (const isolationLevel of ['repeatable read', 'serializable'] as const)
    it(`K3: waits for a writer in a ${isolationLevel} transaction from before his person's key was made`, async () => {
      await people(1);
      const trx = await world.db.transaction({ isolationLevel });
      await trx('products').select();
      const email = `${isolationLevel.replace(' ', '.')}@example.org`;
      await trx('users').insert({ email, name: 'written in it' });
      const resealing = reseal();
      await untilClosed();
      await trx.commit();
      expect((await resealing).finished).to.equal(true);
      expect(await (await world.another()).db('users').where({ email }).pluck('name')).to.deep.equal(['written in it']);
      expect(await lost('select name from users')).to.equal(0);
    });

  it('K5: waits for a copy that is under way, in a table that nobody declared', async () => {
    await people(2);
    const trx = await world.plain.transaction();
    await trx.raw('create table backup_of_users as select name from users');
    const resealing = reseal();
    await untilClosed();
    await trx.commit();
    expect((await resealing).finished).to.equal(true);
    expect(await lost('select name from backup_of_users')).to.equal(0);
    await world.plain.raw('drop table backup_of_users');
  });

  it('K5: waits for a transaction that still sees values as they were', async () => {
    await people(2);
    await world.plain.raw('create table copied (name oubli."users.name")');
    const trx = await world.plain.transaction({ isolationLevel: 'repeatable read' });
    await trx.raw('select 1 from users');
    const resealing = reseal();
    await untilClosed();
    await trx.raw('insert into copied select name from users');
    await trx.commit();
    expect((await resealing).finished).to.equal(true);
    expect(await world.plain('copied')).not.to.deep.equal([]);
    expect(await lost('select name from copied')).to.equal(0);
    await world.plain.raw('drop table copied');
  });

  it('K3: where it is not to wait any longer, no key was destroyed, and every one is open to writers', async () => {
    const [id] = await people(1);
    const trx = await world.plain.transaction();
    await trx.raw('create table unfinished as select name from users');
    const stop = new AbortController();
    const resealing = reseal(stop.signal);
    await untilClosed();
    stop.abort();
    expect(await resealing).to.deep.include({ destroyed: 0, finished: false });
    expect(await world.plain('oubli.subject_key').whereNotNull('closed')).to.deep.equal([]);
    await world.db('users').where({ id }).update({ name: 'written meanwhile' });
    await trx.rollback();
    expect((await world.epochs.compromised((await newest()) - 1, { because: BECAUSE })).finished).to.equal(true);
    expect(await world.plain('oubli.subject_key').whereNotNull('successor')).to.deep.equal([]);
  });

  for (const [what, statement] of [
    ['rewritten', 'alter table moved_from alter column id type bigint'],
    ['truncated, its rows moved', 'insert into moved_to select * from moved_from; truncate moved_from'],
  ] as const)
    it(`K5: looks at a table behind whoever has it ${what}`, async () => {
      const [id = 0] = await people(1);
      await world.plain.raw(
        `create table moved_from as select id, name from users where id = ${id}; create table moved_to (like moved_from)`,
      );
      await world.plain('users').where({ id }).delete();
      const { rows } = await world.plain.raw(
        'update oubli.subject_key set successor = key_id where key_id in (select oubli.key_id(name) from moved_from) returning key_id',
      );
      const trx = await world.plain.transaction();
      await trx.raw(statement);
      const looking = usesOf({ database: new OwnTransactions(internalsOf(world.plain)) } as never);
      await untilSomebodyWaits(world.plain);
      await trx.commit();
      expect([...(await looking).used]).to.deep.equal([rows[0].key_id.toString('hex')]);
      await world.plain('oubli.subject_key').update({ successor: null });
      await world.plain.raw('drop table moved_from, moved_to');
    });

  for (const [what, body] of [
    ['returns nothing', 'return null'],
    ['puts back what was there', 'return old'],
  ] as const)
    it(`K5: names the table where a trigger of the team's ${what}`, async () => {
      await people(1);
      await world.plain.raw(`
        create table icy as select id, name from users where name is not null;
        create function keep_ice() returns trigger language plpgsql as $$ begin ${body}; end $$;
        create trigger keep_ice before update on icy for each row execute function keep_ice()`);
      const refused = await refusalOf(() => reseal());
      expect(refused.code).to.equal('RESEAL_KEPT');
      expect(refused.fix).to.contain('alter table icy disable trigger user');
      await world.plain.raw('alter table icy disable trigger user');
      expect((await world.epochs.compromised((await newest()) - 1, { because: BECAUSE })).finished).to.equal(true);
      expect(await lost('select name from icy')).to.equal(0);
      await world.plain.raw('drop table icy; drop function keep_ice()');
    });

  it('K5: comes to its end beside generated columns, domains over a sealed type and views that were never filled', async () => {
    await people(2);
    await world.plain.raw(`
      create domain team_name as oubli."users.name";
      create table by_domain as select name::team_name as v from users;
      create table doubled (name oubli."users.name", again oubli."users.name" generated always as (name) stored);
      insert into doubled select name from users;
      create materialized view names as select id, name from users with no data`);
    expect((await reseal()).finished).to.equal(true);
    for (const from of ['select v from by_domain', 'select name from doubled', 'select again from doubled'])
      expect(await lost(from), from).to.equal(0);
    await world.plain.raw('drop materialized view names; drop table by_domain, doubled; drop domain team_name');
  });

  it('K5: what stands within another type keeps its keys, and is named', async () => {
    await people(1);
    await world.plain.raw('create table whole as select u as old_row from users u where name is not null');
    const refused = await refusalOf(() => reseal());
    expect([refused.code, refused.table, refused.column]).to.deep.equal(['RESEAL_STAYS', 'whole', 'old_row']);
    expect(await lost('select (old_row).name from whole')).to.equal(0);
    await world.plain.raw('drop table whole');
    expect((await world.epochs.compromised((await newest()) - 1, { because: BECAUSE })).finished).to.equal(true);
  });

  it('K5: goes through replaced keys a thousand at a time, each once', async () => {
    await people(1100);
    const before = (await world.plain('oubli.subject_key')).length;
    const report = await reseal();
    expect(report).to.deep.include({ replaced: before, destroyed: before, finished: true });
    const told = await world
      .plain('oubli.ledger')
      .where({ act: 'replaced keys destroyed' })
      .orderBy('entry')
      .pluck('details');
    expect(told.slice(-2)).to.deep.equal([{ keys: 1000 }, { keys: before - 1000 }]);
    expect(await world.plain('oubli.subject_key').whereNotNull('closed')).to.deep.equal([]);
  });

  it('Art. 18: whose key is being replaced at this moment is restricted, and nobody says that she was erased', async () => {
    const [id = 0] = await people(1);
    const epoch = await newest();
    await world.epochs.rotate({ keep: 'none' });
    await world.epochs.compromised(epoch, { because: BECAUSE, signal: AbortSignal.abort() });
    const gate = await world.plain.transaction();
    await gate.raw('select from oubli.ledger_head for update');
    const resealing = world.epochs.compromised(epoch, { because: BECAUSE });
    await untilSomebodyWaits(world.plain);
    const restricting = (await world.another()).subject('user', id).restrict({ because: 'she contests it' });
    await untilSomebodyWaits(world.plain, 2);
    await gate.commit();
    await restricting;
    expect((await resealing).finished).to.equal(true);
    expect((await refusalOf(() => world.db('users').where({ id }).first())).code).to.equal('RESTRICTED');
  });
});

describe('A backup from before it was told that somebody has an epoch key', () => {
  it('S1, L4: a replay tells it again, and who is erased there is not called unrecoverable', async () => {
    const { journal, remove } = await makeJournalFile();
    const world = await createWorld({ oubli: { journal } });
    const options = { keys: localKeys({ file: world.keyFile }), journal };
    const [{ id }] = await world.db('users').insert({ email: 'a@example.org', name: 'A' }).returning('id');
    const backup = await backUp(world.url);
    const restored = knexPackage({ client: 'pg', connection: world.url, pool: { min: 0, max: 4 } });
    try {
      const before = await world.another({ journal });
      await before.epochs.compromised(1, { because: BECAUSE });
      const told = (await before.epochs.list())[1]?.compromisedAt;
      await backup.restore();
      expect(await replay(restored, options)).to.deep.include({ compromised: [1] });
      const served = await oubli(restored, options);
      const [, first] = await served.epochs.list();
      expect([first?.compromisedAt, first?.resealedAt]).to.deep.equal([told, undefined]);
      const receipt = await served.subject('user', id).erase({ because: 'her request', probe: 'off' });
      const { certificate } = await served.certificate(receipt.entry);
      expect(certificate.unrecoverableBecause).to.match(/the key of epoch 1, which somebody else may have/);
      await served.close();
    } finally {
      await restored.destroy();
      await world.end();
      await backup.drop();
      await remove();
    }
  });
});
