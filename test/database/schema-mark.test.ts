import { expect } from 'chai';
import { Client } from 'pg';
import { annotate } from '../../src';
import { markOf } from '../../src/catalogue/mark';
import { createWorld, type World } from '../support/world';

describe('The mark of a schema', () => {
  let world: World;
  let client: Client;
  before(async () => {
    world = await createWorld();
    client = new Client({ connectionString: world.url });
    await client.connect();
    await client.query('create table places (id int primary key, name text)');
  });
  after(async () => {
    await client.end();
    await world.end();
  });

  const changes = [
    'create table pets (id int primary key, user_id int)',
    'alter table pets add foreign key (user_id) references users',
    'alter table pets add column name text',
    'alter table pets alter column name set not null',
    `alter table pets alter column name set default 'Rex'`,
    'alter table pets rename column name to called',
    'alter table pets alter column called type varchar(40)',
    'create unique index on pets (called)',
    `create function kept() returns trigger language plpgsql as 'begin return null; end'`,
    'create trigger keeps before delete on pets for each row execute function kept()',
    'alter table pets disable trigger keeps',
    'create rule stays as on delete to places do instead nothing',
    'create table parts (id int primary key) partition by range (id)',
    'create table parts_1 partition of parts for values from (0) to (9)',
    'alter table parts detach partition parts_1',
    'alter schema public rename to other',
    'alter schema other rename to public',
    'alter table pets drop column user_id',
    'drop table pets',
  ];
  for (const change of changes)
    it(`is another one after: ${change.slice(0, 70)}`, async () => {
      const before = await markOf(client);
      await client.query(change);
      expect(await markOf(client)).not.to.equal(before);
    });

  it('is another one after what a transaction changed that began before another one', async () => {
    const early = new Client({ connectionString: world.url });
    await early.connect();
    await client.query('create table towns (id int, a int, b int)');
    await client.query('alter table towns rename a to a1');
    await early.query('begin; select pg_current_xact_id()');
    await client.query('alter table towns rename b to b1');
    const before = await markOf(client);
    await early.query('alter table towns rename a1 to a2; alter table towns rename b1 to b2; commit');
    expect(await markOf(client)).not.to.equal(before);
    await early.end();
  });

  it('is another one after a declaration', async () => {
    const before = await markOf(client);
    await annotate(world.plain, 'places', { columns: { name: { notPersonal: 'a town' } } });
    expect(await markOf(client)).not.to.equal(before);
  });

  it('is the same after rows were written, vacuumed and analysed', async () => {
    await client.query('vacuum analyze'); // which notes once that a table has no partitions any more
    const before = await markOf(client);
    await client.query(`insert into places select n, 'a place' from generate_series(1, 2000) n`);
    await client.query('delete from places where id > 100');
    await client.query('vacuum analyze');
    expect(await markOf(client)).to.equal(before);
  });

  it('brings an erasure to the schema as it is, although nobody was told', async () => {
    const [ada] = await world.db('users').insert({ name: 'Ada', email: 'ada@example.org' }).returning('id');
    await client.query('create table letters (user_id int references users, body text)');
    await client.query('create index on letters (user_id)');
    await client.query('insert into letters values ($1, $2)', [ada.id, 'Dear Ada']);
    await client.query('set session_replication_role = replica');
    const error = await world
      .subject('user', ada.id)
      .erase({ because: 'a test' })
      .catch((raised: unknown) => raised);
    expect(error).to.have.property('code', 'PLAN_BLOCKED');
    expect((error as Error).message).to.contain('letters');
  });
});
