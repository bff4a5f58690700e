import { expect } from 'chai';
import knexPackage, { type Knex } from 'knex';
import { AnnotatingClient, annotate, install, installArchive, SCHEMA_VERSION, uninstall } from '../../src';
import { stopClock } from '../../src/testing';
import { addCustomer, migrateArchive } from '../support/archive';
import { createDatabase, testServerUrl } from '../support/postgres';
import { failureOf, refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

const law = { from: 'at', keep: '10 years', then: 'delete', because: 'a law' } as const;
const ofUsers = { purpose: 'invoicing', basis: 'legal_obligation' } as const;

describe('A migration that declares an archive', () => {
  let world: World;
  let migrator: Knex;
  beforeEach(async () => {
    world = await createWorld({ migrate: migrateArchive });
    migrator = knexPackage({ client: AnnotatingClient, connection: world.url, pool: { min: 0, max: 2 } });
  });
  afterEach(async () => {
    await migrator.destroy();
    await world.end();
  });

  const bills = (archive: object, schema = 'public') =>
    migrator.transaction((trx) =>
      trx.schema.withSchema(schema).createTable('bills', (t) => {
        t.increments('id');
        t.integer('user_id').references('id').inTable('public.users');
        t.text('billed_to').personal({ category: 'contact.address', protect: 'encrypt' });
        t.date('at').notPersonal('the fiscal date');
        t.personalData({ ...ofUsers, retention: { ...law, archive } as never });
      }),
    );

  it('R1: is refused where the archive would stand beside its table', async () => {
    await migrator.raw('create schema legal');
    const error = await refusalOf(() => bills({ columns: ['at'], schema: 'legal' }, 'legal'));
    expect(error).to.include({ name: 'AnnotationError', code: 'ARCHIVE_BESIDE', table: 'legal.bills' });
    expect(await world.plain.schema.withSchema('legal').hasTable('bills')).to.equal(false);
  });

  it('R1: is refused, when a process starts, where it names a column that is not there', async () => {
    await bills({ columns: ['billed_too'] });
    const error = await refusalOf(() => world.another());
    expect(error).to.include({ code: 'NO_SUCH_COLUMN', table: 'bills', column: 'billed_too' });
    expect(error.message).to.include("did you mean 'billed_to'");
  });

  it('R1: is refused by a role that can make no role, with what a superuser has to say first', async () => {
    await world.plain.raw(`do $$ begin
      if not exists (select from pg_roles where rolname = 'migrant') then create role migrant login password 'migrant'; end if;
    end $$;
    grant create on database ${new URL(world.url).pathname.slice(1)} to migrant;
    grant usage on schema oubli to migrant`);
    const at = new URL(world.url);
    at.username = 'migrant';
    at.password = 'migrant';
    const migrant = knexPackage({ client: 'pg', connection: at.href, pool: { min: 0, max: 1 } });
    try {
      const error = await refusalOf(() => installArchive(migrant, { schema: 'legal', owner: 'keeper_of_law' }));
      expect(error).to.include({ name: 'AnnotationError', code: 'ARCHIVE_OWNER' });
      expect(error.fix).to.include('create role keeper_of_law nologin');
      const own = await refusalOf(() => installArchive(migrant, { schema: 'legal', owner: 'migrant' }));
      expect(own).to.include({ code: 'ARCHIVE_OWNER' });
    } finally {
      await migrant.destroy();
    }
  });

  it('R1: by a role that may create roles leaves it without the right to read', async () => {
    const database = await createDatabase(testServerUrl());
    const superuser = knexPackage({ client: 'pg', connection: database.url, pool: { min: 0, max: 1 } });
    await superuser.raw(`do $$ begin
      if not exists (select from pg_roles where rolname = 'maker') then create role maker login createrole password 'maker'; end if;
    end $$;
    grant create on database ${new URL(database.url).pathname.slice(1)} to maker`);
    const at = new URL(database.url);
    at.username = 'maker';
    at.password = 'maker';
    const maker = knexPackage({ client: 'pg', connection: at.href, pool: { min: 0, max: 1 } });
    try {
      await installArchive(maker, { schema: 'legal', owner: 'made_by_maker', movers: ['maker'] });
      expect(await failureOf(() => maker('legal.archived_row'))).to.include({ code: '42501' });
      expect((await maker.raw('select * from legal.holdings()')).rows).to.deep.equal([]);
    } finally {
      await maker.destroy();
      await superuser.raw('drop schema legal cascade; drop role made_by_maker');
      await superuser.destroy();
      await database.drop();
    }
  });

  it('R1: may be run again, and gives the archive to nobody else', async () => {
    await installArchive(world.plain);
    const error = await refusalOf(() => installArchive(world.plain, { owner: 'oubli_archive_2' }));
    expect(error).to.include({ code: 'ARCHIVE_OWNED' });
  });

  it('R1: follows a column that is renamed', async () => {
    await migrator.schema.alterTable('invoices', (t) => t.renameColumn('billed_to', 'address'));
    const instance = await world.another();
    const [user] = await instance.db('users').insert({ name: 'Zoe' }).returning('id');
    await instance.db('invoices').insert({ user_id: user?.id, address: 'Quai 7', issued_on: '2024-01-31' });
    await instance.subject('user', Number(user?.id)).erase({ because: 'request' });
    for await (const { columns } of instance.archive.read({ table: 'invoices', because: 'audit' }))
      expect(columns).to.include({ address: 'Quai 7', issued_on: '2024-01-31' });
  });

  it('R1: on a table that is there already works by annotate(), as for the whole row', async () => {
    await migrator.schema.createTable('letters', (t) => {
      t.increments('id');
      t.integer('user_id').references('users.id').index();
      t.text('body');
      t.date('at');
    });
    await annotate(migrator, 'letters', {
      data: { ...ofUsers, retention: { ...law, archive: true } },
      columns: {
        body: { category: 'activity.content', protect: 'encrypt' },
        at: { notPersonal: 'the date' },
      },
    });
    const instance = await world.another();
    const ada = await addCustomer(instance.db, 'Adalgisa');
    const [letter] = await instance
      .db('letters')
      .insert({ user_id: ada.id, body: 'Dear sirs', at: '2024-02-29' })
      .returning('id');
    await instance.subject('user', ada.id).erase({ because: 'request' });
    for await (const { columns, until } of instance.archive.read({ table: 'letters', because: 'audit' })) {
      expect(columns).to.deep.equal({
        id: String(letter?.id),
        user_id: String(ada.id),
        body: 'Dear sirs',
        at: '2024-02-29',
      });
      expect(until.toISOString()).to.equal('2034-02-28T00:00:00.000Z');
    }
  });

  it('R1: blocks the erasure where rows that stay refer to rows that go, and touches nothing', async () => {
    await migrator.schema.createTable('payments', (t) => {
      t.increments('id');
      t.integer('invoice_id').notNullable().references('invoices.id').index();
      t.text('payer').personal({ category: 'identity.name', protect: 'encrypt' });
      t.date('at').notPersonal('the date');
      t.personalData({ ...ofUsers, retention: law });
    });
    const instance = await world.another();
    const ada = await addCustomer(instance.db, 'Adalgisa');
    const error = await refusalOf(() => instance.subject('user', ada.id).erase({ because: 'request' }));
    expect(error).to.include({ code: 'PLAN_BLOCKED' });
    expect(error.message).to.include('invoices goes to the archive, but rows of payments that stay refer to it');
    expect(await world.plain('invoices')).to.have.length(2);
  });

  it('R1: says in the plan that rows are archived, and on which ground', () => {
    const { steps } = world.subject('user', 1).plan();
    expect(steps).to.deep.include({ table: 'invoices', action: 'archive', because: 'Code de commerce L123-22' });
  });
});

describe('Removing the schema of the library', () => {
  it('R1: is refused while an archive needs its keys, and takes empty archives along', async () => {
    const world = await createWorld({ migrate: migrateArchive });
    try {
      const ada = await addCustomer(world.db, 'Adalgisa');
      await stopClock(world.plain, '2026-03-01T00:00:00Z');
      await world.subject('user', ada.id).erase({ because: 'request' });
      for (const table of ['invoice_lines', 'orders', 'invoices', 'users']) await world.db.schema.dropTable(table);
      expect(await refusalOf(() => uninstall(world.plain))).to.include({ code: 'ARCHIVE_NOT_EMPTY' });
      await stopClock(world.plain, '2036-01-01T00:00:00Z');
      await world.sweep();
      await uninstall(world.plain);
      const { rows } = await world.plain.raw(`select nspname from pg_namespace where nspname like 'oubli%'`);
      expect(rows).to.deep.equal([]);
    } finally {
      await world.end();
    }
  });

  it('leaves a database in which it can be installed again', async () => {
    const world = await createWorld({ migrate: async (knex) => install(knex, { version: SCHEMA_VERSION }) });
    await uninstall(world.plain);
    await world.plain.transaction((trx) => install(trx, { version: SCHEMA_VERSION }));
    await installArchive(world.plain, { schema: 'legal' });
    expect((await world.plain('oubli.archive')).map(({ schema }) => schema)).to.deep.equal(['legal']);
    await world.end();
  });
});
