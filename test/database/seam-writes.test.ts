import { expect } from 'chai';
import type { Knex } from 'knex';
import { keyQueries } from '../support/listening';
import { createWorld, type World } from '../support/world';

const MAGIC = 'a70b01';
const head = (value: unknown): string => (value as Buffer).subarray(0, 3).toString('hex');
/** The key a sealed value names: after the blind index, where it has one. */
const keyOf = (value: Buffer): string =>
  value.subarray((value[3] ?? 0) & 1 ? 24 : 8, (value[3] ?? 0) & 1 ? 40 : 24).toString('hex');

describe('Writing through the seam', () => {
  let world: World;
  let number = 0;
  const email = (): string => `person${++number}@example.org`;

  before(async () => {
    world = await createWorld();
  });
  after(() => world.end());

  const newUser = async (values: Record<string, unknown> = {}): Promise<number> => {
    const [row] = await world
      .db('users')
      .insert({ email: email(), ...values })
      .returning('id');
    return row.id;
  };
  const stored = (table: string, id: number): Promise<Record<string, Buffer>> =>
    world.plain(table).where({ id }).first();
  const linked = async (id: number): Promise<string> => {
    const [link] = await world.plain('oubli.subject_link').where({ kind: 'user', subject_id: String(id) });
    return link.key_id.toString('hex');
  };

  it('an insert seals, truncates and pseudonymises what the migration declared, and leaves the rest', async () => {
    const id = await newUser({ name: 'Ada', last_ip: '203.0.113.77', crm_id: 'CRM-7', nickname: 'ada', locale: 'fr' });
    const row = await stored('users', id);
    expect(head(row.name)).to.equal(MAGIC);
    expect(head(row.email)).to.equal(MAGIC);
    expect(row.last_ip).to.equal('203.0.113.0');
    expect(row.crm_id).to.match(/^psn1\./);
    expect(row).to.include({ nickname: 'ada', locale: 'fr' });
  });

  it('an insert of a thousand rows costs two statements more, and every row has its own key', async () => {
    const asked: string[] = [];
    const listen = ({ sql }: { sql: string }): number => asked.push(sql);
    world.db.on('query', listen);
    const rows = Array.from({ length: 1000 }, (_, i) => ({ name: `N${i}`, email: email() }));
    const ids = (await world.db('users').insert(rows).returning(['id', 'name'])) as { id: number; name: string }[];
    world.db.removeListener('query', listen);
    expect(asked).to.have.length(1);
    expect(ids.map((row) => row.name)).to.deep.equal(rows.map((row) => row.name));
    const all = await world.plain('users').whereIn(
      'id',
      ids.map((row) => row.id),
    );
    expect(new Set(all.map((row) => keyOf(row.name))).size).to.equal(1000);
    for (const row of all) expect(keyOf(row.name)).to.equal(keyOf(row.email));
  });

  it('rows of one insert may give an id or leave it to the database', async () => {
    const answer = await world
      .db('users')
      .insert([
        { id: 900_001, email: email(), name: 'given' },
        { email: email(), name: 'asked' },
      ])
      .returning(['id', 'name']);
    expect(answer[0]).to.deep.equal({ id: 900_001, name: 'given' });
    expect(answer[1].id).to.be.lessThan(900_000);
    expect(keyOf((await stored('users', answer[1].id)).name as Buffer)).to.equal(await linked(answer[1].id));
  });

  it('batchInsert seals every chunk', async () => {
    const rows = Array.from({ length: 25 }, () => ({ email: email(), name: 'Batch' }));
    const ids = await world.db.batchInsert<{ id: number; email: string }>('users', rows as never, 10).returning('id');
    const sealed = await world.plain('users').whereIn(
      'id',
      ids.map((row) => row.id),
    );
    expect(sealed).to.have.length(25);
    for (const row of sealed) expect(head(row.name)).to.equal(MAGIC);
  });

  it('E6: NULL stays NULL, undefined stays the default, and the empty string is sealed', async () => {
    const id = await newUser({ name: '', crm_id: null, birth_date: undefined });
    const row = await stored('users', id);
    expect(head(row.name)).to.equal(MAGIC);
    expect([row.crm_id, row.birth_date]).to.deep.equal([null, null]);
    expect((await world.db('users').where({ id }).first('name')).name).to.equal('');
  });

  it('the same value sealed twice differs in every byte that could tell', async () => {
    const [a, b] = [await newUser({ name: 'Same' }), await newUser({ name: 'Same' })];
    const rows = [await stored('users', a), await stored('users', b)];
    expect(rows[0]?.name?.equals(rows[1]?.name as Buffer)).to.equal(false);
  });

  it('rows of a person are sealed under her key, however far their table is from hers', async () => {
    const id = await newUser();
    const [contract] = await world.db('contracts').insert({ user_id: id, signatory: 'A. L.' }).returning('id');
    const [note] = await world.db('notes').insert({ contract_id: contract.id, body: 'called' }).returning('id');
    const key = await linked(id);
    expect(keyOf((await stored('contracts', contract.id)).signatory as Buffer)).to.equal(key);
    expect(keyOf((await stored('notes', note.id)).body as Buffer)).to.equal(key);
  });

  it('an id written otherwise names the same person, and so the same key', async () => {
    const id = await newUser();
    const [contract] = await world
      .db('contracts')
      .insert({ user_id: `0${id}`, signatory: 'A. L.' })
      .returning('id');
    expect(keyOf((await stored('contracts', contract.id)).signatory as Buffer)).to.equal(await linked(id));
    expect(await world.plain('oubli.subject_link').where({ subject_id: `0${id}` })).to.have.length(0);
    expect(
      await world
        .db('users')
        .where({ id: ` ${id}` })
        .update({ name: 'Ada' }),
    ).to.equal(1);
  });

  it('an update bound to one person is one statement', async () => {
    const id = await newUser({ name: 'Old' });
    const asked: string[] = [];
    const listen = ({ sql }: { sql: string }): number => asked.push(sql);
    world.db.on('query', listen);
    expect(await world.db('users').where({ id }).update({ name: 'New' })).to.equal(1);
    world.db.removeListener('query', listen);
    expect(asked).to.have.length(1);
    expect((await world.db('users').where({ id }).first()).name).to.equal('New');
  });

  it('an update of several people seals for each under her own key, and counts and returns them all', async () => {
    const ids = [await newUser({ locale: 'xx' }), await newUser({ locale: 'xx' }), await newUser({ locale: 'xx' })];
    expect(await world.db('users').where({ locale: 'xx' }).update({ name: 'All' })).to.equal(3);
    for (const id of ids) expect(keyOf((await stored('users', id)).name as Buffer)).to.equal(await linked(id));
    const back = await world.db('users').where({ locale: 'xx' }).update({ name: 'Again' }, ['id', 'name']);
    expect(back.map((row: { name: string }) => row.name)).to.deep.equal(['Again', 'Again', 'Again']);
    expect(await world.db('users').where({ locale: 'none' }).update({ name: 'x' })).to.equal(0);
    expect(await world.db('users').where({ locale: 'none' }).update({ name: 'x' }, ['id'])).to.deep.equal([]);
  });

  it('an update of several people is all or none', async () => {
    const ids = [await newUser({ locale: 'yy', name: 'A' }), await newUser({ locale: 'yy', name: 'B' })];
    const taken = email();
    await newUser({ email: taken });
    const failure = await world
      .db('users')
      .where({ locale: 'yy' })
      .update({ email: taken, name: 'C' })
      .catch((e) => e);
    expect(failure.code).to.equal('23505');
    const names = await world.db('users').whereIn('id', ids).orderBy('id').pluck('name');
    expect(names).to.deep.equal(['A', 'B']);
    expect(await world.db.raw('select 1 as one').then(({ rows }) => rows)).to.deep.equal([{ one: 1 }]);
  });

  it('an update of several people may stand beside a CTE that reads, and one of one person beside one that writes', async () => {
    const ids = [await newUser({ locale: 'ww' }), await newUser({ locale: 'ww' })];
    const read = (qb: Knex.QueryBuilder): unknown => qb.select('id').from('users').where({ locale: 'ww' });
    const all = world.db.with('w', read).from('users').whereIn('id', world.db('w').select('id'));
    expect(await all.update({ name: 'With' })).to.equal(2);
    expect(await world.db('users').whereIn('id', ids).pluck('name')).to.deep.equal(['With', 'With']);
    const write = (qb: Knex.QueryBuilder): unknown => qb.insert({ name: 'once' }).into('products').returning('id');
    await world.db.with('w', write).from('users').where({ id: ids[0] }).update({ name: 'One' });
    expect(await world.plain('products').where({ name: 'once' })).to.have.length(1);
    expect(await world.db('users').whereIn('id', ids).orderBy('id').pluck('name')).to.deep.equal(['One', 'With']);
  });

  it('an update of several people costs one key query, not one for each', async () => {
    const contracts = [];
    for (let i = 0; i < 5; i++) contracts.push({ user_id: await newUser(), plan: 'many', signatory: 'x' });
    await world.db('contracts').insert(contracts);
    const other = await world.another();
    const asked = await keyQueries(other.db, async () => {
      await other.db('contracts').where({ plan: 'many' }).update({ signatory: 'y' });
    });
    expect(asked).to.equal(1);
    expect(await world.db('contracts').where({ plan: 'many' }).pluck('signatory')).to.deep.equal(Array(5).fill('y'));
  });

  it('an update that names its rows by a sealed column finds and seals them', async () => {
    const address = email();
    const id = await newUser({ email: address });
    expect(await world.db('users').where({ email: address.toUpperCase() }).update({ name: 'Found' })).to.equal(1);
    expect((await world.db('users').where({ id }).first()).name).to.equal('Found');
    expect(await world.db('users').whereRaw('email = ?', [address]).update({ name: 'Raw' })).to.equal(1);
    expect((await world.db('users').where({ id }).first()).name).to.equal('Raw');
  });

  it('an update with limit-like conditions, joins of conditions and OR touches the rows it says and no others', async () => {
    const [a, b, c] = [await newUser({ name: '1' }), await newUser({ name: '2' }), await newUser({ name: '3' })];
    await world.db('users').where({ id: a }).orWhere({ id: b }).update({ name: 'or' });
    await world
      .db('users')
      .where((qb) => qb.where({ id: c }))
      .whereNot({ id: a })
      .update({ name: 'nested' });
    expect(await world.db('users').whereIn('id', [a, b, c]).orderBy('id').pluck('name')).to.deep.equal([
      'or',
      'or',
      'nested',
    ]);
  });

  it('a sealed column can be set to NULL for many at once, in one statement', async () => {
    await newUser({ name: 'gone', locale: 'zz' });
    await newUser({ name: 'gone', locale: 'zz' });
    expect(await world.db('users').where({ locale: 'zz' }).update({ name: null })).to.equal(2);
    expect(await world.plain('users').where({ locale: 'zz' }).whereNotNull('name')).to.have.length(0);
  });

  it('a delete finds its rows by a sealed column', async () => {
    const [one, two] = [email(), email()];
    await newUser({ email: one });
    await newUser({ email: two });
    const gone = await world.db('users').where({ email: one }).del(['email']);
    expect(gone).to.deep.equal([{ email: one }]);
    expect(await world.db('users').whereIn('email', [one, two]).delete()).to.equal(1);
  });

  it('increment of a column that is not protected works on a personal table', async () => {
    const id = await newUser();
    const [invoice] = await world
      .db('invoices')
      .insert({ user_id: id, billing_address: '1 rue X', total: 10 })
      .returning('id');
    await world.db('invoices').where(invoice).increment('total', 2);
    const row = await world.db('invoices').where(invoice).first();
    expect([row.total, row.billing_address]).to.deep.equal(['12.00', '1 rue X']);
  });

  it('trap 15: the same builder awaited twice, cloned or reused writes what it says each time', async () => {
    const id = await newUser();
    const update = world.db('users').where({ id }).update({ name: 'twice' });
    const cloned = update.clone();
    const data = { user_id: id, signatory: 'S' };
    const insert = world.db('contracts').insert(data);
    await update;
    await update;
    await cloned;
    await insert;
    await insert;
    expect((await world.db('users').where({ id }).first()).name).to.equal('twice');
    expect(await world.db('contracts').where({ user_id: id }).pluck('signatory')).to.deep.equal(['S', 'S']);
    expect(data).to.deep.equal({ user_id: id, signatory: 'S' });
    expect(insert.toString()).to.equal(insert.toString());
  });

  it('database defaults and functions beside sealed columns work as ever', async () => {
    const id = await newUser();
    const [visit] = await world
      .db('visits')
      .insert({ user_id: id, ip: '2001:db8:1:2::5', at: world.db.fn.now() })
      .returning(['ip', 'at']);
    expect(visit.ip).to.equal('2001:db8:1::');
    expect(visit.at).to.be.instanceOf(Date);
  });
});
