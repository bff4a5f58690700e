import { expect } from 'chai';
import knexPackage, { type Knex } from 'knex';
import { AnnotatingClient, annotate, install, SCHEMA_VERSION } from '../../src';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

const SERVICE = { purpose: 'provide the service', basis: 'contract' } as const;
const PERSON = { ...SERVICE, retention: { from: 'ended_on', keep: '6 months', then: 'erase' } } as const;

async function migrate(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('members', (t) => {
    t.increments('id');
    t.text('email').personal({
      category: 'contact.email',
      protect: 'encrypt',
      search: { as: 'email', group: 'contact' },
      unique: true,
    });
    t.text('backup').personal({ category: 'contact.email', protect: 'encrypt', search: 'email' });
    t.text('phone').personal({ category: 'contact.phone', protect: 'encrypt', search: 'digits' });
    t.text('city').personal({ category: 'contact.city', protect: 'encrypt', search: 'unaccented' });
    t.text('handle').personal({ category: 'contact.handle', protect: 'encrypt', search: 'lowercase' });
    t.date('ended_on').notPersonal('the event that starts the clock');
    t.dataSubject('member', PERSON);
  });
  await knex.schema.createTable('letters', (t) => {
    t.increments('id');
    t.integer('member_id').notNullable().references('members.id').index();
    t.string('recipient', 90).personal({
      category: 'contact.email',
      protect: 'encrypt',
      search: { as: 'email', group: 'contact' },
    });
    t.personalData(SERVICE);
  });
  await knex.schema.createSchema('shop');
  await knex.raw(
    'create table shop.orders (id serial primary key, member_id int not null references members, mail text)',
  );
  await annotate(knex, 'shop.orders', {
    data: SERVICE,
    columns: {
      mail: { category: 'contact.email', protect: 'encrypt', search: { as: 'email', group: 'contact' } },
    },
  });
}

const PEOPLE = 3000;

describe('Columns of one search group', () => {
  let world: World;
  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ migrate });
    const rows = Array.from({ length: PEOPLE }, (_, i) => ({
      email: `user${i}@example.org`,
      backup: `user${i}@example.org`,
    }));
    await world.db.batchInsert('members', rows, 1000);
    const ids: { id: number }[] = await world.db('members').select('id').orderBy('id');
    const letters = ids.map(({ id }, i) => ({ member_id: id, recipient: `USER${(i + 1) % PEOPLE}@example.org` }));
    await world.db.batchInsert('letters', letters, 1000);
    await world.db('shop.orders').insert({ member_id: ids[0]?.id, mail: ' User2@example.org' });
    await world.plain.raw('create view correspondence as select id, recipient from letters');
    await world.db.raw('analyze');
    await world.db.raw('comment on view correspondence is null');
  });
  after(() => world.end());

  const plan = async (query: Knex.QueryBuilder | Knex.Raw): Promise<string> => {
    const { rows } = await world.db.raw('explain ?', [query as never]);
    return rows.map((row: Record<string, string>) => row['QUERY PLAN']).join('\n');
  };
  const joins: [string, () => Knex.QueryBuilder | Knex.Raw, RegExp][] = [
    [
      'a join',
      () => world.db('letters as l').join('members as m', 'l.recipient', 'm.email').where('l.id', 1).select('m.email'),
      /members_email_blind/,
    ],
    [
      'a left join the other way round',
      () =>
        world
          .db('members')
          .leftJoin('letters', 'members.email', '=', 'letters.recipient')
          .where('members.id', 2)
          .select('members.email'),
      /letters_recipient_blind/,
    ],
    [
      'a join of another schema',
      () => world.db('shop.orders as o').join('members as m', 'm.email', 'o.mail').select('m.email'),
      /members_email_blind/,
    ],
    [
      'a correlated sub-query',
      () =>
        world
          .db('members as m')
          .where('m.id', 2)
          .whereExists((qb) => qb.from('letters as l').where('l.recipient', world.db.ref('m.email')))
          .select('m.email'),
      /letters_recipient_blind/,
    ],
    [
      'whereIn with a sub-query',
      () =>
        world.db('members').whereIn('email', world.db('letters').select('recipient').where('id', 1)).select('email'),
      /members_email_blind/,
    ],
    [
      'whereIn with a function, against the index of the other',
      () =>
        world
          .db('letters as l')
          .whereIn('l.recipient', (qb) => qb.from('members as m').select('m.email').where('m.id', 2))
          .join('members as o', 'o.email', 'l.recipient')
          .select('o.email'),
      /letters_recipient_blind/,
    ],
    [
      'an equality with a sub-query',
      () => world.db('members').where('email', world.db('letters').select('recipient').where('id', 1)).select('email'),
      /members_email_blind/,
    ],
    [
      'a join in raw SQL',
      () => world.db.raw('select m.email from letters l join members m on l.recipient = m.email where l.id = ?', [1]),
      /members_email_blind/,
    ],
    [
      'a join in raw SQL, in the other order and through a view',
      () =>
        world.db.raw(
          'select m.email from correspondence l join members m on m.email = l.recipient where l.id = ?',
          [1],
        ),
      /members_email_blind/,
    ],
  ];
  it('a join in raw SQL with a table of a schema off the search path is refused, for other operators are found there', async () => {
    const join = world.db.raw('select m.email from shop.orders o join members m on o.mail = m.email');
    expect((await failureOf(() => join)).code).to.equal('OPERATOR_UNREACHABLE');
    const { db } = await world.another({ config: { searchPath: ['public', 'shop'] } });
    const { rows } = await db.raw('select m.email from shop.orders o join members m on o.mail = m.email');
    expect(rows).to.have.length(1);
  });

  for (const [says, query, index] of joins) {
    it(`${says} finds the other's rows by its blind index`, async () => {
      const answer = await query();
      const rows = Array.isArray(answer) ? answer : answer.rows;
      expect(rows.map((row: { email: string }) => row.email)).to.have.length(1);
      expect(rows[0].email).to.match(/^user[12]@example\.org$/);
      const text = await plan(query());
      expect(text).to.match(index);
    });
  }

  it('compare by <> too, in the builder and in raw SQL', async () => {
    const built = world.db('letters as l').join('members as m', 'l.recipient', '<>', 'm.email').where('l.id', 1);
    expect(await built.count('* as n').first()).to.deep.equal({ n: String(PEOPLE - 1) });
    const { rows } = await world.db.raw(
      'select count(*) as n from letters l join members m on l.recipient <> m.email where l.id = 1',
    );
    expect(rows).to.deep.equal([{ n: String(PEOPLE - 1) }]);
  });

  it('a sub-query compares as SQL does: NULL is unknown, and one in the list of NOT IN leaves no row', async () => {
    const { db } = world;
    const owned = db('letters').select('recipient').whereIn('id', [1, 2]);
    const others = db('members').whereNotIn('email', owned.clone()).count('* as n').first();
    expect(await others).to.deep.equal({ n: String(PEOPLE - 2) });
    const [nobody] = await db('members').insert({ backup: 'x@example.org' }).returning('id');
    const mail = await db('shop.orders').insert({ member_id: nobody.id, mail: null }).returning('id');
    expect(await db('members').whereIn('email', owned.clone()).pluck('id')).to.have.length(2);
    expect(await db('members').whereNull('email').whereNotIn('email', owned.clone()).pluck('id')).to.deep.equal([]);
    const withNull = db('members').whereNotIn('email', db('shop.orders').select('mail'));
    expect(await withNull.pluck('id')).to.deep.equal([]);
    const without = db('members').whereNotIn('email', db('shop.orders').select('mail').whereNotNull('mail'));
    expect(await without.pluck('id')).to.have.length(PEOPLE - 1);
    await db('shop.orders').where(mail[0]).del();
    await db('members').where(nobody).del();
  });

  it('a sub-query of another group, or of none, is refused by name', async () => {
    const { db } = world;
    for (const query of [
      db('members').whereIn('backup', db('letters').select('recipient')),
      db('letters').whereIn('recipient', db('members').select('backup')),
      db('members').whereIn('email', db('letters').select('member_id')),
    ])
      expect((await failureOf(() => query)).code).to.equal('SUBQUERY_OPERAND');
  });

  it('have equal blind indexes for equal values, and a column outside of it has others', async () => {
    const { rows } =
      await world.plain.raw(`select substring(m.email::bytea, 9, 16) = substring(l.recipient::bytea, 9, 16) as grouped,
      substring(m.email::bytea, 9, 16) = substring(m.backup::bytea, 9, 16) as alone
      from members m, letters l where m.id = 2 and l.id = 1`);
    expect(rows).to.deep.equal([{ grouped: true, alone: false }]);
  });

  it('are refused with a column outside of it, by name', async () => {
    const built = world.db('members as a').join('members as b', 'a.email', 'b.backup');
    expect((await failureOf(() => built)).code).to.equal('COLUMN_COMPARE');
  });

  it('are of one normaliser and one type, or the declaration is refused', async () => {
    const declare = async (type: 'text' | 'bigInteger'): Promise<void> => {
      const knex = knexPackage({ client: AnnotatingClient, connection: world.url, pool: { min: 0, max: 1 } });
      try {
        await knex.schema.createTable('wrong', (t) => {
          t.integer('member_id').references('members.id');
          t[type]('x').personal({
            category: 'contact.email',
            protect: 'encrypt',
            search: { as: 'exact', group: 'contact' },
          });
          t.personalData(SERVICE);
        });
      } finally {
        await knex.destroy();
      }
    };
    for (const type of ['text', 'bigInteger'] as const) {
      const error = await failureOf(() => declare(type));
      expect(error.code).to.equal('GROUP_MISMATCH');
      expect(error.message).to.contain(`'contact' compares what members.email compares`);
    }
  });

  it('leave nothing behind when one of them is dropped, and the others go on', async () => {
    const operators = `select count(*)::int as n from pg_operator o join pg_type t on t.oid in (o.oprleft, o.oprright)
      where t.typname = 'shop.orders.mail'`;
    expect((await world.plain.raw(operators)).rows[0].n).to.be.greaterThan(0);
    await world.plain.raw('drop table shop.orders');
    await world.plain.raw('select oubli.sweep_catalogue()');
    expect((await world.plain.raw(operators)).rows[0].n).to.equal(0);
    const { rows } = await world.db.raw(
      'select m.id from letters l join members m on l.recipient = m.email where l.id = ?',
      [1],
    );
    expect(rows).to.deep.equal([{ id: 2 }]);
  });
});

describe('The normalisers of a search', () => {
  let world: World;
  before(async () => {
    world = await createWorld({ migrate });
    await world.db('members').insert({ email: 'a@example.org', phone: '+33 6 12', city: 'Besançon', handle: 'Ada_L' });
  });
  after(() => world.end());

  const found: [column: string, spelling: string, times: number][] = [
    ['phone', '33-6.12', 1],
    ['phone', '0033 6 12', 0],
    ['city', 'BESANCON', 1],
    ['city', 'Besançon', 1],
    ['city', 'Besan con', 0],
    ['handle', 'ADA_L', 1],
    ['handle', 'ada l', 0],
  ];
  for (const [column, spelling, times] of found) {
    it(`${column}: ${spelling} finds ${times}, in the builder and in raw SQL`, async () => {
      expect(await world.db('members').where(column, spelling).pluck('id')).to.have.length(times);
      const { rows } = await world.db.raw('select id from members where ?? = ?', [column, spelling]);
      expect(rows).to.have.length(times);
    });
  }

  it('refuse what they cannot compare, before anything is stored', async () => {
    const failed = await failureOf(() => world.db('members').insert({ email: 'b@example.org', phone: 'none' }));
    expect(failed.code).to.equal('VALUE_HAS_NO_DIGITS');
    expect(await world.db('members').where({ email: 'b@example.org' })).to.deep.equal([]);
  });
});
