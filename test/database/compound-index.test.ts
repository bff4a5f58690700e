import { expect } from 'chai';
import type { Knex } from 'knex';
import { annotate, install, SCHEMA_VERSION } from '../../src';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

const SERVICE = { purpose: 'provide the service', basis: 'contract' } as const;
const PERSON = { ...SERVICE, retention: { from: 'ended_on', keep: '6 months', then: 'erase' } } as const;

async function migrate(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('patients', (t) => {
    t.increments('id');
    t.text('name').personal({
      category: 'identity.name',
      protect: 'encrypt',
      search: { as: 'unaccented', with: { born: 'exact', city: 'unaccented' } },
      unique: true,
    });
    t.date('born').personal({ category: 'identity.birth_date', protect: 'encrypt' });
    t.text('city').personal({ category: 'contact.city', protect: 'encrypt', search: 'unaccented' });
    t.text('ward').index().notPersonal('a room');
    t.date('ended_on').notPersonal('the event that starts the clock');
    t.dataSubject('patient', PERSON);
  });
}

const ADA = { name: 'Zoé Lovelace', born: '1815-12-10', city: 'London' };
const ROWS = 2000;

describe('A compound index', () => {
  let world: World;
  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ migrate });
    await world.db('patients').insert(ADA);
    const rows = Array.from({ length: ROWS }, (_, i) => ({ name: 'N', born: '2000-01-01', city: `C${i}`, ward: 'w' }));
    await world.db.batchInsert('patients', rows, 500);
    await world.plain.raw('analyze');
  });
  after(() => world.end());

  const found: [string, (db: Knex) => Knex.QueryBuilder][] = [
    ['where', (db) => db('patients').where({ name: 'ZOE LOVELACE', born: '1815-12-10', city: 'london' })],
    [
      'and where, in another order, with another condition',
      (db) =>
        db('patients').where('ward', 'attic').orWhere('city', 'London').where('name', ADA.name).where('born', ADA.born),
    ],
    [
      'where with an alias',
      (db) => db('patients as p').where({ 'p.city': 'London', 'p.name': ADA.name, 'p.born': ADA.born }),
    ],
    [
      'where within parentheses',
      (db) =>
        db('patients')
          .where((qb) => qb.where(ADA))
          .whereNotNull('id'),
    ],
    [
      'whereIn of tuples',
      (db) =>
        db('patients').whereIn(
          ['born', 'name', 'city'],
          [
            ['1815-12-10', 'zoe lovelace', 'LONDON'],
            ['1815-12-11', 'zoe lovelace', 'LONDON'],
          ],
        ),
    ],
  ];
  for (const [says, query] of found) {
    it(`${says} finds the row by all its columns, by the index`, async () => {
      const rows = await query(world.db).select('id', 'name');
      expect(rows).to.deep.equal([{ id: 1, name: 'Zoé Lovelace' }]);
      const { rows: lines } = await world.db.raw('explain ?', [query(world.db) as never]);
      const plan = lines.map((row: Record<string, string>) => row['QUERY PLAN']).join('\n');
      expect(plan).to.match(/patients_name_blind/);
    });
  }

  it('does not match where one of the columns differs, nor where they are joined by or', async () => {
    expect(await world.db('patients').where({ ...ADA, city: 'Paris' })).to.deep.equal([]);
    const either = await failureOf(() =>
      world.db('patients').where({ name: ADA.name, born: ADA.born }).orWhere({ city: 'x' }),
    );
    expect(either.code).to.equal('COMPOUND_ALONE');
    const two = world.db('patients as a').join('patients as b', 'b.id', 'a.id');
    const mixed = await failureOf(() => two.where({ 'a.name': ADA.name, 'b.born': ADA.born, 'a.city': 'x' }));
    expect(mixed.code).to.equal('COMPOUND_ALONE');
  });

  it('is not what raw SQL means that compares one of its columns with itself', async () => {
    const sql = 'select p.id, q.id as other from patients p left join patients q on p.name = q.name';
    const error = await failureOf(() => world.db.raw(sql));
    expect(error.code).to.equal('COMPOUND_ALONE');
    expect(error.message).to.contain('born, city');
    const { rows } = await world.db.raw(
      'select p.id from patients p join patients q on p.city = q.city where p.id = 1',
    );
    expect(rows).to.deep.equal([{ id: 1 }]);
  });

  it('tells apart what only joined together would be equal', async () => {
    await world.db('patients').insert([
      { name: 'ab', born: '1900-01-01', city: 'c' },
      { name: 'a', born: '1900-01-01', city: 'bc' },
    ]);
    expect(await world.db('patients').where({ name: 'a', born: '1900-01-01', city: 'bc' }).pluck('name')).to.deep.equal(
      ['a'],
    );
  });

  it('shows the database which rows are equal in all columns, and not which are equal in one', async () => {
    const { rows } = await world.plain.raw(
      `select count(distinct substring(name::bytea, 9, 16))::int as n from patients where ward = 'w'`,
    );
    expect(rows).to.deep.equal([{ n: ROWS }]); // they all have one name and one birth date
  });

  it('is unique over all columns, and a NULL equals nothing', async () => {
    const twice = await failureOf(() => world.db('patients').insert({ ...ADA, name: 'zoe lovelace' }));
    expect(twice.code).to.equal('23505');
    await world.db('patients').insert([
      { name: 'Nobody', city: 'Rome' },
      { name: 'Nobody', city: 'Rome' },
    ]);
    const ignored = world.db('patients').insert(ADA).onConflict(['city', 'name', 'born']).ignore();
    expect(await ignored.returning('id')).to.deep.equal([]);
  });

  it('follows an update of all its columns, and refuses one of some, by the builder and by anybody', async () => {
    const [{ id }] = await world
      .db('patients')
      .insert({ name: 'Eve', born: '1990-01-01', city: 'Oslo' })
      .returning('id');
    await world.db('patients').where({ id }).update({ name: 'Eve', born: '1990-01-02', city: 'Oslo' });
    const at = (born: string) => world.db('patients').where({ name: 'eve', born, city: 'oslo' }).pluck('id');
    expect([await at('1990-01-01'), await at('1990-01-02')]).to.deep.equal([[], [id]]);

    const some = await failureOf(() => world.db('patients').where({ id }).update({ born: '1990-01-03' }));
    expect(some.code).to.equal('COMPOUND_TOGETHER');
    expect(some.message).to.contain('missing: name, city').and.not.contain('1990');
    const raw = 'update patients set born = (select born from patients where name is not null and id = 1) where id = ?';
    expect((await failureOf(() => world.plain.raw(raw, [id]))).code).to.equal('OU019');
    const merged = world.db('patients').insert({ id, name: 'Eve', born: '1990-01-04', city: 'Oslo' }).onConflict('id');
    expect((await failureOf(() => merged.merge(['born']))).code).to.equal('COMPOUND_TOGETHER');
    const pinned = world.subject('patient', id).value('Eve');
    const alone = await failureOf(() => world.db.raw('update patients set name = ? where id = ?', [pinned, id]));
    expect(alone.code).to.equal('COMPOUND_ALONE');
    expect(await at('1990-01-02')).to.deep.equal([id]);
  });

  it("leaves with the value that carries it, also by anybody's raw update", async () => {
    const [{ id }] = await world
      .db('patients')
      .insert({ name: 'Lea', born: '1981-01-01', city: 'Bonn' })
      .returning('id');
    const set = (sql: string) => world.plain.raw(`update patients set ${sql} where id = ?`, [id]);
    expect((await failureOf(() => set('born = null'))).code).to.equal('OU019');
    await set('name = null');
    await set('born = null, city = null');
    expect(await world.db('patients').where({ name: 'Lea', born: '1981-01-01', city: 'Bonn' })).to.deep.equal([]);
    expect(await world.db('patients').where({ id }).first('name', 'born', 'city')).to.deep.equal({
      name: null,
      born: null,
      city: null,
    });
  });

  it('leaves with the person: after an erasure nothing of it is stored', async () => {
    const [{ id }] = await world
      .db('patients')
      .insert({ name: 'Kim', born: '1980-01-01', city: 'Bonn' })
      .returning('id');
    const index = `select encode(substring(name::bytea, 9, 16), 'hex') as at from patients where id = ${id}`;
    const [{ at }] = (await world.plain.raw(index)).rows;
    expect(at).to.match(/^[0-9a-f]{32}$/);
    await world.subject('patient', id).erase({ because: 'a request' });
    const { rows } = await world.plain.raw(`select count(*)::int as n from patients
      where encode(substring(name::bytea, 9, 16), 'hex') = '${at}'`);
    expect(rows).to.deep.equal([{ n: 0 }]);
  });

  it('survives a renaming of its columns, and goes with the column that carries it', async () => {
    await world.knex.schema.alterTable('patients', (t) => t.renameColumn('born', 'birth_date'));
    const search = () =>
      world.db('patients').where({ name: ADA.name, birth_date: ADA.born, city: ADA.city }).pluck('id');
    expect(await search()).to.deep.equal([1]);
    await world.knex.schema.alterTable('patients', (t) => t.dropColumn('name'));
    await world.db('patients').where({ id: 1 }).update({ birth_date: '1815-12-11' });
    const { rows } = await world.plain.raw(`select tgname from pg_trigger where tgname like 'oubli_compound%'`);
    expect(rows).to.deep.equal([]);
  });

  it('is refused over what is no sealed column beside it, and on a table with rows', async () => {
    const declare =
      ([column, as, rows]: readonly [string, 'exact' | 'digits', boolean]) =>
      async () => {
        await world.knex.transaction(async (trx) => {
          await trx.raw('create table guests (id serial primary key, name text, born date, seat text, ended_on date)');
          if (rows) await trx.raw(`insert into guests (name) values ('Ada')`);
          await annotate(trx, 'guests', {
            subject: { kind: 'guest', ...PERSON },
            columns: {
              name: { category: 'identity.name', protect: 'encrypt', search: { as: 'exact', with: { [column]: as } } },
              born: { category: 'identity.birth_date', protect: 'encrypt' },
              seat: { notPersonal: 'a chair' },
              ended_on: { notPersonal: 'starts the clock' },
            },
          });
          throw Object.assign(new Error('declared'), { code: 'DECLARED' });
        });
      };
    const codes: string[] = [];
    for (const args of [
      ['born', 'exact', false],
      ['born', 'digits', false],
      ['seat', 'exact', false],
      ['nothing', 'exact', false],
      ['name', 'exact', false],
      ['born', 'exact', true],
    ] as const)
      codes.push((await failureOf(declare(args))).code as string);
    expect(codes).to.deep.equal([
      'DECLARED',
      ...['COMPOUND_MEMBER', 'COMPOUND_MEMBER', 'COMPOUND_MEMBER', 'COMPOUND_MEMBER'],
      'COMPOUND_ON_ROWS',
    ]);
  });
});
