/** Objection.js 3 on a protected instance gives what it gives on plain Knex, and stores what plain Knex does not: sealed values. */
import { expect } from 'chai';
import knexPackage, { type Knex } from 'knex';
import { knexSnakeCaseMappers, Model, snakeCaseMappers } from 'objection';
import { Note, User } from '../../examples/objection/models';
import { migrate } from '../../examples/objection/schema';
import { story } from '../../examples/objection/story';
import { createDatabase, type TestDatabase, testServerUrl } from '../support/postgres';
import { createWorld, type World } from '../support/world';

const MAGIC = 'a70b01';
const head = (value: unknown): string => (value as Buffer).subarray(0, 3).toString('hex');

/** The same tables as nobody declared them. */
async function migratePlain(knex: Knex): Promise<void> {
  await knex.schema.createTable('users', (t) => {
    t.increments('id');
    t.text('full_name');
    t.text('email').unique();
    t.specificType('last_ip', 'inet');
    t.text('locale');
    t.date('left_on');
  });
  await knex.schema.createTable('contracts', (t) => {
    t.increments('id');
    t.integer('user_id').notNullable().references('users.id').onDelete('cascade');
    t.text('signatory');
    t.text('plan');
  });
  await knex.schema.createTable('notes', (t) => {
    t.increments('id');
    t.integer('contract_id').notNullable().references('contracts.id').onDelete('cascade');
    t.text('body');
  });
}

describe('Objection', () => {
  let world: World;
  let elsewhere: TestDatabase;
  let plain: Knex;

  before(async () => {
    world = await createWorld({ migrate, config: knexSnakeCaseMappers() });
    elsewhere = await createDatabase(testServerUrl());
    plain = knexPackage({ client: 'pg', connection: elsewhere.url, ...knexSnakeCaseMappers() });
    await migratePlain(plain);
  });
  after(async () => {
    await plain.destroy();
    await elsewhere.drop();
    await world.end();
  });

  it('inserts, reads, joins, finds and upserts graphs as on plain Knex', async () => {
    const [ours, theirs] = [await story(world.db), await story(plain)];
    expect(ours.map(({ what }) => what)).to.include.members(['insertGraph', 'withGraphJoined', 'upsertGraph']);
    for (const [place, { what, result }] of ours.entries()) {
      expect(result, what).to.deep.equal(theirs[place]?.result);
    }
  });

  it('stores the whole graph sealed, and under one key for each person', async () => {
    const { id } = await User.query(world.db).insertGraph({
      fullName: 'Grace Hopper',
      email: 'grace@example.org',
      lastIp: '203.0.113.77',
      contracts: [{ signatory: 'G. H.', notes: [{ body: 'likes nanoseconds' }] }],
    } as never);
    const row = await world.plain('users').where({ id }).first();
    const contract = await world.plain('contracts').where({ user_id: id }).first();
    const note = await world.plain('notes').where({ contract_id: contract.id }).first();
    const sealed = [row.full_name, row.email, contract.signatory, note.body] as Buffer[];
    expect(sealed.map(head)).to.deep.equal(Array(4).fill(MAGIC));
    expect(row.last_ip).to.equal('203.0.113.0');
    const [link] = await world.plain('oubli.subject_link').where({ kind: 'user', subject_id: String(id) });
    for (const value of sealed) expect(value.indexOf(link.key_id as Buffer)).to.be.oneOf([8, 24]);
  });

  it('changes sealed values by upsertGraph, and not one byte of what was not changed', async () => {
    const before = await User.query(world.db).insertGraphAndFetch({
      email: 'barbara@example.org',
      contracts: [{ signatory: 'B. L.', notes: [{ body: 'one' }, { body: 'two' }] }],
    } as never);
    const notes = (): Promise<{ id: number; body: Buffer }[]> => world.plain('notes').orderBy('id');
    const [one, two] = before.contracts?.[0]?.notes ?? [];
    const stored = await notes();
    await User.query(world.db).upsertGraph({
      id: before.id,
      contracts: [{ id: before.contracts?.[0]?.id, notes: [{ id: one?.id, body: 'changed' }, { id: two?.id }] }],
    } as never);
    const bodyOf = (rows: { id: number; body: Buffer }[], id?: number): Buffer =>
      rows.find((row) => row.id === id)?.body as Buffer;
    const now = await notes();
    expect(bodyOf(now, two?.id).equals(bodyOf(stored, two?.id))).to.equal(true);
    expect(bodyOf(now, one?.id).equals(bodyOf(stored, one?.id))).to.equal(false);
    expect(head(bodyOf(now, one?.id))).to.equal(MAGIC);
    expect((await Note.query(world.db).findById(one?.id ?? 0))?.body).to.equal('changed');
  });

  it('refuses through a model what it refuses through the builder', async () => {
    await expectCode(User.query(world.db).where('email', 'like', 'a%'), 'OPERATOR');
    await expectCode(User.query(world.db).where({ fullName: 'Ada' }), 'NOT_SEARCHABLE');
    await expectCode(User.query(world.db).orderBy('fullName'), 'ORDER_BY');
  });

  it('takes sub-queries of models, and recognises the builders of a protected instance', async () => {
    const { knex } = await world.another();
    expect(Reflect.get(knex('users'), 'select')).to.equal(Reflect.get(knex('users'), 'column'));
    const ids = User.query(world.db).where({ email: 'grace@example.org' }).select('id');
    const found = await world.db('contracts').whereIn('userId', ids.toKnexQuery()).pluck('signatory');
    expect(found).to.deep.equal(['G. H.']);
    const mixed = await User.query(world.db).whereIn(
      'id',
      world.db('contracts').select('userId').where({ signatory: null }),
    );
    expect(mixed).to.deep.equal([]);
  });

  it('maps names in the models instead of in Knex, where a team does so', async () => {
    class Person extends Model {
      static override tableName = 'users';
      static override get columnNameMappers() {
        return snakeCaseMappers();
      }
      declare id: number;
      declare fullName: string;
      declare email: string;
    }
    const { db } = await world.another();
    const { id } = await Person.query(db).insertAndFetch({ fullName: 'Edsger', email: 'edsger@example.org' });
    expect(head((await world.plain('users').where({ id }).first()).full_name)).to.equal(MAGIC);
    expect((await Person.query(db).findOne({ email: 'Edsger@example.org' }))?.fullName).to.equal('Edsger');
  });
});

async function expectCode(query: PromiseLike<unknown>, code: string): Promise<void> {
  const outcome = await query.then(
    () => undefined,
    (error: { code?: string }) => error.code,
  );
  expect(outcome).to.equal(code);
}
