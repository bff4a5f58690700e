import { expect } from 'chai';
import type { Knex } from 'knex';
import { install, SCHEMA_VERSION } from '../../src';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

const SERVICE = { purpose: 'provide the service', basis: 'contract' } as const;

async function migrate(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('people', (t) => {
    t.increments('id');
    t.text('name').personal({ category: 'identity.name', protect: 'encrypt' });
    t.date('born').personal({ category: 'identity.birth_date', protect: 'encrypt' });
    t.decimal('income').personal({ category: 'finance.income', protect: 'encrypt' });
    t.bigInteger('badge').personal({ category: 'account.id', protect: 'encrypt' });
    t.jsonb('extra').personal({ category: 'activity.content', protect: 'encrypt' });
    t.text('ward').notPersonal('a room');
    t.date('ended_on').notPersonal('the event that starts the clock');
    t.dataSubject('person', { ...SERVICE, retention: { from: 'ended_on', keep: '6 months', then: 'erase' } });
  });
  await knex.raw('create view wards as select id, name, ward from people');
}

const PEOPLE = [
  { name: 'Zoé', born: '1990-05-01', income: '10.5', badge: '9007199254740993', ward: 'a' },
  { name: 'ada', born: '1815-12-10', income: '9', badge: '9007199254740992', ward: 'a' },
  { name: 'Éva', born: '2001-01-01', income: '-3', badge: '-1', ward: 'b' },
  { name: null, born: null, income: null, badge: null, ward: 'b' },
  { name: 'Eve', born: '1990-04-30', income: '10.50001', badge: '12', ward: 'a' },
  { name: 'ada', born: '1900-01-01', income: '1e3', badge: '3', ward: 'b' },
];

describe('orderByDecrypted', () => {
  let world: World;
  before(async () => {
    world = await createWorld({ migrate });
    await world.db('people').insert(PEOPLE.map((row, i) => ({ id: i + 1, ...row })));
  });
  after(() => world.end());
  const all = { cap: 100 };

  const sorted: [string, (db: Knex) => PromiseLike<unknown>, unknown][] = [
    [
      'texts, as a reader would',
      (db) => db('people').orderByDecrypted('name', all).orderBy('id').pluck('id'),
      [2, 6, 3, 5, 1, 4],
    ],
    [
      'the other way, with what is NULL first as in PostgreSQL',
      (db) =>
        db('people')
          .orderByDecrypted('name', { ...all, direction: 'desc' })
          .orderBy('id')
          .pluck('id'),
      [4, 1, 5, 3, 2, 6],
    ],
    [
      'what is NULL where it is wanted',
      (db) =>
        db('people')
          .orderByDecrypted('name', { ...all, direction: 'desc', nulls: 'last' })
          .orderBy('id')
          .pluck('id'),
      [1, 5, 3, 2, 6, 4],
    ],
    ['dates', (db) => db('people').orderByDecrypted('born', all).pluck('id'), [2, 6, 5, 1, 3, 4]],
    ['decimals, exactly', (db) => db('people').orderByDecrypted('income', all).pluck('id'), [3, 2, 1, 5, 6, 4]],
    [
      'integers beyond 2^53, exactly',
      (db) => db('people').orderByDecrypted('badge', all).pluck('id'),
      [3, 6, 5, 2, 1, 4],
    ],
    [
      'by a second column where the first is equal',
      (db) =>
        db('people')
          .orderByDecrypted('name', all)
          .orderByDecrypted('born', { ...all, direction: 'desc' })
          .pluck('id'),
      [6, 2, 3, 5, 1, 4],
    ],
    [
      'limit and offset are of the sorted rows',
      (db) => db('people').orderByDecrypted('badge', all).limit(2).offset(1).select('badge'),
      [{ badge: '3' }, { badge: '12' }],
    ],
    ['first', (db) => db('people').orderByDecrypted('born', all).first('id', 'name'), { id: 2, name: 'ada' }],
    ['first of none', (db) => db('people').where({ id: -1 }).orderByDecrypted('born', all).first('id'), undefined],
    [
      'a joined column under an alias',
      (db) =>
        db('people as p').join('people as q', 'q.id', 'p.id').orderByDecrypted('q.born', all).limit(1).select('p.id'),
      [{ id: 2 }],
    ],
    [
      'a column of a view',
      (db) => db('wards').where({ ward: 'b' }).orderByDecrypted('name', all).pluck('name'),
      ['ada', 'Éva', null],
    ],
    [
      'in a transaction',
      (db) => db.transaction((trx) => trx('people').orderByDecrypted('born', all).limit(1).pluck('id')),
      [2],
    ],
    [
      'rows as arrays',
      (db) => db('people').orderByDecrypted('born', all).limit(2).select('id', 'ward').options({ rowMode: 'array' }),
      [
        [2, 'a'],
        [6, 'b'],
      ],
    ],
  ];
  for (const [says, query, rows] of sorted) {
    it(`sorts: ${says}`, async () => {
      expect(await query(world.db)).to.deep.equal(rows);
    });
  }

  it('gives the rows of select * as they are, without what they were sorted by', async () => {
    const [row] = await world.db('people').orderByDecrypted('born', all);
    const [plain] = await world.db('people').where({ id: 2 });
    expect(row).to.deep.equal(plain);
  });

  it('may be awaited twice and cloned: the builder stays as it was', async () => {
    const query = world.db('people').orderByDecrypted('born', all).limit(1).select('id');
    expect([await query, await query, await query.clone().limit(2)]).to.deep.equal([
      [{ id: 2 }],
      [{ id: 2 }],
      [{ id: 2 }, { id: 6 }],
    ]);
  });

  it('reads at most one row more than its cap, and refuses that one', async () => {
    const query = world.db('people').where('id', '<=', 5).orderByDecrypted('name', { cap: 4 });
    const { sql, bindings } = query.toSQL();
    expect(sql).to.match(/limit \?$/);
    expect(bindings.at(-1)).to.equal(5);
    const failed = await failureOf(() => query.first('id'));
    expect(failed.code).to.equal('ORDER_CAP');
    expect(failed.message).to.contain('more than 4 rows').and.not.contain('Eve');
    expect(await world.db('people').where('id', '<=', 4).orderByDecrypted('name', { cap: 4 })).to.have.length(4);
  });

  const refused: [string, string, (db: Knex) => unknown][] = [
    ['no cap', 'BAD_DECRYPTED_ORDER', (db) => db('people').orderByDecrypted('name', {} as never)],
    ['a cap of none', 'BAD_DECRYPTED_ORDER', (db) => db('people').orderByDecrypted('name', { cap: 0 })],
    [
      'a direction of its own',
      'BAD_DECRYPTED_ORDER',
      (db) => db('people').orderByDecrypted('name', { cap: 1, direction: 'up' as never }),
    ],
    [
      'a misspelt option',
      'BAD_DECRYPTED_ORDER',
      (db) => db('people').orderByDecrypted('name', { cap: 1, null: 'last' } as never),
    ],
    ['a column that is not sealed', 'ORDER_DECRYPTS_NOTHING', (db) => db('people').orderByDecrypted('ward', all)],
    ['a column that is not there', 'ORDER_DECRYPTS_NOTHING', (db) => db('people').orderByDecrypted('nom', all)],
    ['JSON', 'ORDER_DECRYPTS_NOTHING', (db) => db('people').orderByDecrypted('extra', all)],
    ['a sub-query', 'ORDER_PLACE', (db) => db.from(db('people').orderByDecrypted('name', all).as('p'))],
    ['an update', 'ORDER_PLACE', (db) => db('people').orderByDecrypted('name', all).update({ ward: 'x' })],
    ['a delete', 'ORDER_PLACE', (db) => db('people').orderByDecrypted('name', all).del()],
    ['distinct', 'ORDER_PLACE', (db) => db('people').distinct('id').orderByDecrypted('name', all)],
    ['group by', 'ORDER_PLACE', (db) => db('people').groupBy('id').select('id').orderByDecrypted('name', all)],
    ['union all', 'ORDER_PLACE', (db) => db('people').unionAll(db('people')).orderByDecrypted('name', all)],
    [
      'an orderBy that would come first',
      'ORDER_PLACE',
      (db) => db('people').orderBy('id').orderByDecrypted('name', all),
    ],
    [
      'a raw offset',
      'ORDER_PLACE',
      (db) =>
        db('people')
          .offset(db.raw('1') as never)
          .orderByDecrypted('name', all),
    ],
    [
      'a stream',
      'ORDER_PLACE',
      async (db) => {
        for await (const row of db('people').orderByDecrypted('name', all).stream())
          expect.fail(`a row came: ${row.id}`);
      },
    ],
  ];
  for (const [says, code, query] of refused) {
    it(`refuses ${says}`, async () => {
      const failed = await failureOf(async () => await query(world.db));
      expect(failed.code).to.equal(code);
    });
  }
});
