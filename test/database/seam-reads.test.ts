import { expect } from 'chai';
import { seamOf } from '../support/listening';
import { createWorld, type World } from '../support/world';

describe('Reading through the seam', () => {
  let world: World;
  let ada: number;
  let bob: number;

  before(async () => {
    world = await createWorld();
    const people = await world
      .db('users')
      .insert([
        {
          name: 'Ada',
          email: 'ada@example.org',
          nickname: 'countess',
          birth_date: '1815-12-10',
          last_ip: '203.0.113.9',
        },
        { name: 'Bob', email: 'bob@example.org', nickname: 'bobby' },
      ])
      .returning('id');
    [ada, bob] = people.map((row: { id: number }) => row.id) as [number, number];
    await world.db('contracts').insert([
      { user_id: ada, signatory: 'A. Lovelace', plan: 'gold' },
      { user_id: bob, signatory: 'B. Jones', plan: 'tin' },
    ]);
    await world.db('products').insert({ name: 'Lamp', email: 'shop@example.org' });
    await world.plain.raw('create view people as select id, name as full_name, email from users');
    await world.db.raw('comment on view people is null'); // a change of schema that this instance sees
  });
  after(() => world.end());

  const db = (): World['db'] => world.db;

  it('select, first, pluck and aliases give the values', async () => {
    expect(await db()('users').where({ id: ada }).select('name', 'email')).to.deep.equal([
      { name: 'Ada', email: 'ada@example.org' },
    ]);
    expect(await db()('users').where({ id: ada }).first('name as who')).to.deep.equal({ who: 'Ada' });
    expect(await db()('users').where({ id: ada }).first({ who: 'name' })).to.deep.equal({ who: 'Ada' });
    expect(await db()('users').orderBy('id').pluck('name')).to.deep.equal(['Ada', 'Bob']);
    expect(await db()('users as u').orderBy('u.id').pluck('u.name')).to.deep.equal(['Ada', 'Bob']);
    expect(await db()('users').where({ id: -1 }).first()).to.equal(undefined);
  });

  it('count works, with a name and without', async () => {
    expect(await db()('users').count()).to.deep.equal([{ count: '2' }]);
    expect(await db()('users').count('email as n').first()).to.deep.equal({ n: '2' });
    expect(await db()('users').count({ n: 'name' })).to.deep.equal([{ n: '2' }]);
  });

  it('joins, sub-selects, CTEs, union all and lateral give the values under whatever name', async () => {
    const joined = await db()('contracts as c')
      .join({ u: 'users' }, 'u.id', 'c.user_id')
      .where('u.email', 'ada@example.org')
      .select('c.signatory as s', 'u.name as n');
    expect(joined).to.deep.equal([{ s: 'A. Lovelace', n: 'Ada' }]);
    const derived = await db()
      .select('d.who')
      .from(db()('users').select({ who: 'name' }, 'id').as('d'))
      .orderBy('d.id');
    expect(derived).to.deep.equal([{ who: 'Ada' }, { who: 'Bob' }]);
    const common = await db().with('w', db()('users').select('id', 'name')).from('w').where('w.id', bob).select('name');
    expect(common).to.deep.equal([{ name: 'Bob' }]);
    const all = await db()('users').select('name').unionAll(db()('contracts').select('signatory'));
    expect(all.map((row) => row.name).sort()).to.deep.equal(['A. Lovelace', 'Ada', 'B. Jones', 'Bob']);
    const scalar = await db()('contracts')
      .select({ of: db()('users').select('name').where('users.id', db().ref('contracts.user_id')) })
      .orderBy('id');
    expect(scalar).to.deep.equal([{ of: 'Ada' }, { of: 'Bob' }]);
    const { rows } = await db().raw('select coalesce(u.name, null) as n from users u order by id');
    expect(rows).to.deep.equal([{ n: 'Ada' }, { n: 'Bob' }]);
  });

  it('a CTE is searched by a sealed column, asking the server what its columns are', async () => {
    const common = db().with('w', db()('users').select('id', 'email')).from('w');
    expect(await common.where({ email: 'ADA@example.org' }).pluck('id')).to.deep.equal([ada]);
    expect(common.toString()).not.to.include('ADA@example.org');
  });

  it('a view gives values and is searched', async () => {
    expect(await db()('people').where({ email: 'bob@example.org' }).first('full_name')).to.deep.equal({
      full_name: 'Bob',
    });
    expect(await db()('people').orderBy('id').pluck('full_name')).to.deep.equal(['Ada', 'Bob']);
  });

  it('whereNull, whereNotNull, whereNot and whereNotIn mean what they say', async () => {
    expect(await db()('users').whereNull('birth_date').pluck('name')).to.deep.equal(['Bob']);
    expect(await db()('users').where({ birth_date: null }).pluck('name')).to.deep.equal(['Bob']);
    expect(await db()('users').whereNotNull('birth_date').pluck('name')).to.deep.equal(['Ada']);
    expect(await db()('users').whereNot({ email: 'ada@example.org' }).pluck('name')).to.deep.equal(['Bob']);
    expect(await db()('users').where('email', '<>', 'ada@example.org').pluck('name')).to.deep.equal(['Bob']);
    expect(await db()('users').whereNotIn('email', ['ada@example.org']).pluck('name')).to.deep.equal(['Bob']);
    expect(await db()('users').whereIn('email', []).pluck('name')).to.deep.equal([]);
  });

  it('an address is searched as it is kept: by its network', async () => {
    expect(await db()('users').where({ last_ip: '203.0.113.200' }).pluck('name')).to.deep.equal(['Ada']);
    expect(await db()('users').whereIn('last_ip', ['203.0.113.1', '198.51.100.1']).pluck('name')).to.deep.equal([
      'Ada',
    ]);
    expect(await db()('users').whereNot('last_ip', '203.0.113.1').pluck('name')).to.deep.equal([]);
  });

  it('a clear personal column is searched in every way that Knex knows', async () => {
    expect(await db()('users').whereLike('nickname', 'count%').pluck('name')).to.deep.equal(['Ada']);
    expect(await db()('users').whereILike('nickname', 'BOB%').pluck('name')).to.deep.equal(['Bob']);
    expect(await db()('users').whereBetween('nickname', ['a', 'bz']).pluck('name')).to.deep.equal(['Bob']);
    expect(await db()('users').whereIn('nickname', ['bobby']).pluck('name')).to.deep.equal(['Bob']);
    expect(await db()('users').where('nickname', '>', 'c').pluck('name')).to.deep.equal(['Ada']);
  });

  it('joining a searchable column with itself goes by its index', async () => {
    const pairs = await db()('users as a')
      .join('users as b', 'a.email', 'b.email')
      .select('a.name', 'b.id')
      .orderBy('b.id');
    expect(pairs).to.deep.equal([
      { name: 'Ada', id: ada },
      { name: 'Bob', id: bob },
    ]);
  });

  it('distinct and group by work where the row shows its primary key', async () => {
    const rows = await db()('users')
      .join('contracts', 'contracts.user_id', 'users.id')
      .distinct('users.*')
      .orderBy('users.id');
    expect(rows.map((row) => row.name)).to.deep.equal(['Ada', 'Bob']);
    const grouped = await db()('users')
      .groupBy('users.id', 'users.name')
      .select('users.name')
      .count()
      .orderBy('users.id');
    expect(grouped.map((row) => row.name)).to.deep.equal(['Ada', 'Bob']);
  });

  it('columnInfo and locking clauses work', async () => {
    expect(await db()('users').columnInfo('email')).to.include({ nullable: false });
    await db().transaction(async (trx) => {
      expect(await trx('users').where({ id: ada }).forUpdate().first('name')).to.deep.equal({ name: 'Ada' });
    });
  });

  it('rows as arrays are opened by place', async () => {
    const { rows } = await db().raw('select name, id, email from users order by id').options({ rowMode: 'array' });
    expect(rows).to.deep.equal([
      ['Ada', ada, 'ada@example.org'],
      ['Bob', bob, 'bob@example.org'],
    ]);
  });

  it('trap 16: of several columns with one name the last counts, and none is taken for plaintext', async () => {
    const { rows } = await db().raw(
      'select users.name, products.name, products.email, users.email from users, products where users.id = ?',
      [ada],
    );
    expect(rows).to.deep.equal([{ name: 'Lamp', email: 'ada@example.org' }]);
  });

  it('trap 17: a condition in parentheses speaks of the table around it', async () => {
    const found = await db()('users').where((qb) =>
      qb.where('email', 'ada@example.org').orWhere((inner) => inner.where({ email: 'nobody@example.org' })),
    );
    expect(found.map((row) => row.name)).to.deep.equal(['Ada']);
  });

  it('trap 18: in a nested select a column of the same name belongs to the nearest table', async () => {
    const inner = (qb: ReturnType<World['db']>): unknown => qb.from('products').where('email', 'shop@example.org');
    expect(
      await db()('users')
        .whereExists(inner as never)
        .count(),
    ).to.deep.equal([{ count: '2' }]);
    const outer = (qb: ReturnType<World['db']>): unknown => qb.from('products').where('users.email', 'ada@example.org');
    expect(
      await db()('users')
        .whereExists(outer as never)
        .pluck('name'),
    ).to.deep.equal(['Ada']);
  });

  it('bytes in an unprotected column are never taken for ours: nobody can make rows unreadable with them', async () => {
    await world.plain.schema.createTable('files', (t) => {
      t.binary('data');
      t.text('label');
    });
    const forged = Buffer.concat([Buffer.from('a70b0100', 'hex'), Buffer.alloc(120, 1)]);
    await db()('files').insert({ data: forged, label: `\\x${forged.toString('hex')}` });
    await db().raw('comment on table files is null');
    expect(await db()('files').first()).to.deep.equal({ data: forged, label: `\\x${forged.toString('hex')}` });
  });

  it('nor in an expression, unless they are a sealed value from the first byte to the last', async () => {
    await world.plain.schema.createTable('scraps', (t) => {
      t.increments('id');
      t.binary('data');
    });
    await db().raw('comment on table scraps is null');
    const { id: element } = await world.plain('oubli.element').where({ protect: 'encrypt' }).first('id');
    const head = (suite: number, flags: number, named: number): Buffer => {
      const bytes = Buffer.from([0xa7, 0x0b, suite, flags, 0, 0, 0, 0]);
      bytes.writeUInt32BE(named, 4);
      return bytes;
    };
    const scraps = [
      Buffer.from('a7', 'hex'),
      Buffer.from('a70b01', 'hex'),
      Buffer.concat([head(1, 0, element), Buffer.alloc(71, 1)]),
      Buffer.concat([head(2, 0, element), Buffer.alloc(120, 1)]),
      Buffer.concat([head(1, 0xe0, element), Buffer.alloc(120, 1)]),
      Buffer.concat([head(1, 3, element), Buffer.alloc(16, 1)]),
      Buffer.concat([head(1, 0, 4_000_000_000), Buffer.alloc(120, 1)]),
    ];
    await db()('scraps').insert(scraps.map((data) => ({ data })));
    const read = (): Promise<Buffer[]> =>
      db()('scraps')
        .select(db().raw(`coalesce(data, '') as data`))
        .orderBy('id')
        .then((rows) => rows.map(({ data }: { data: Buffer }) => data));
    expect(await read()).to.deep.equal(scraps);
    const streamed: Buffer[] = [];
    for await (const row of db().raw(`select data || '' as data from scraps order by id`).stream())
      streamed.push(row.data);
    expect(streamed).to.deep.equal(scraps);
    // what names nobody's element is asked about once
    const { catalogue } = seamOf(db());
    expect(await read()).to.deep.equal(scraps);
    expect(seamOf(db()).catalogue).to.equal(catalogue);
  });
});
