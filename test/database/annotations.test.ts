/** Declarations in migrations: what a database knows after `up`, and what it has forgotten after `down`. */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { install, SCHEMA_VERSION, uninstall } from '../../src';
import { loadCatalogue } from '../../src/catalogue/load';
import { createEmpty, type EmptyDatabase } from '../support/empty';

const service = { purpose: 'provide the service', basis: 'contract' } as const;
const retention = { from: 'ended_on', keep: '6 months', then: 'erase' } as const;

describe('A declaration in a migration', () => {
  let empty: EmptyDatabase;
  beforeEach(async () => {
    empty = await createEmpty();
    await install(empty.knex, { version: SCHEMA_VERSION });
  });
  afterEach(() => empty.end());

  const createUsers = (knex: Knex = empty.knex): Promise<void> =>
    knex.schema.createTable('users', (t) => {
      t.increments('id');
      t.string('name').notNullable().personal({ category: 'identity.name', protect: 'encrypt' });
      t.text('email').personal({ category: 'contact.email', protect: 'encrypt', search: 'email', unique: true });
      t.jsonb('profile').personal({ category: 'activity.content', protect: 'encrypt' });
      t.decimal('income', 10, 2).personal({ category: 'finance.income', protect: 'encrypt', search: 'exact' });
      t.text('crm_id').personal({ category: 'account.id', protect: 'pseudonymise' });
      t.specificType('last_ip', 'inet').personal({ category: 'connection.ip', protect: 'truncate-ip' });
      t.text('nickname').personal({ category: 'contact.handle', protect: 'clear', because: 'shown on public pages' });
      t.text('locale').notPersonal('a language tag singles nobody out');
      t.date('ended_on').notPersonal('the event that starts the clock');
      t.dataSubject('user', { ...service, retention });
    });

  const annotations = async (): Promise<Record<string, string>> =>
    Object.fromEntries(
      (await empty.rows('select rel::text as rel, column_name, spec from oubli.annotation')).map((row) => {
        const spec = row.spec as Record<string, string>;
        return [`${row.rel}.${row.column_name}`, spec.protect ?? `not: ${spec.notPersonal}`];
      }),
    );
  const domains = async (): Promise<unknown[]> =>
    (
      await empty.rows(
        `select typname from pg_type where typnamespace = 'oubli'::regnamespace and typtype = 'd' order by 1`,
      )
    ).map((row) => row.typname);
  const operators = async (): Promise<number> =>
    Number(
      (await empty.rows(`select count(*) from pg_operator where oprnamespace <> 'pg_catalog'::regnamespace`))[0]!.count,
    );
  const guards = async (): Promise<unknown[]> =>
    (
      await empty.rows(
        `select tgrelid::regclass::text as rel, tgname from pg_trigger where tgname like 'oubli\\_guard%' order by 2`,
      )
    ).map((row) => `${row.rel}: ${row.tgname}`);
  const guardFunctions = async (): Promise<number> =>
    Number(
      (
        await empty.rows(
          `select count(*) from pg_proc where pronamespace = 'oubli'::regnamespace and proname like 'guard %'`,
        )
      )[0]!.count,
    );
  const types = async (table: string): Promise<Record<string, string>> =>
    Object.fromEntries(
      (
        await empty.rows(
          `select attname, format_type(atttypid, atttypmod) || case when attnotnull then ' not null' else '' end as type
           from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped`,
          [table],
        )
      ).map((row) => [row.attname, row.type]),
    );
  const comment = async (table: string, column?: string): Promise<unknown> =>
    (
      await empty.rows(
        column
          ? `select col_description($1::regclass, attnum) as said from pg_attribute where attrelid = $1::regclass and attname = $2`
          : `select obj_description($1::regclass, 'pg_class') as said, $2::text`,
        [table, column ?? ''],
      )
    )[0]?.said;

  it('gives each protected column the type of its element, and leaves the others as they were', async () => {
    await createUsers();
    expect(await types('users')).to.deep.equal({
      id: 'integer not null',
      name: 'oubli."users.name" not null',
      email: 'oubli."users.email"',
      profile: 'oubli."users.profile"',
      income: 'oubli."users.income"',
      crm_id: 'oubli."users.crm_id"',
      last_ip: 'oubli."users.last_ip"',
      nickname: 'text',
      locale: 'text',
      ended_on: 'date',
    });
  });

  it('is in the catalogue with its defaults written in', async () => {
    await createUsers();
    const catalogue = await loadCatalogue(empty.psql);
    const [users] = catalogue.named('users');
    expect(users?.declaration).to.deep.include({ is: 'subject', kind: 'user', column: 'id' });
    expect(users?.declaration?.spec.retention).to.deep.equal({ ...retention, timeZone: 'UTC' });
    expect(users?.columns.get('email')?.spec).to.deep.equal({
      category: 'contact.email',
      protect: 'encrypt',
      search: 'email',
      unique: true,
      origin: 'provided',
      pad: '16',
    });
    expect(users?.columns.get('locale')?.spec).to.deep.equal({ notPersonal: 'a language tag singles nobody out' });
    const elements = [...(users?.columns.values() ?? [])].flatMap(({ element }) => (element ? [element] : []));
    expect(elements.map(({ label, protect, codec, normaliser }) => [label, protect, codec, normaliser])).to.deep.equal([
      ['users.name', 'encrypt', 'text', undefined],
      ['users.email', 'encrypt', 'text', 'email'],
      ['users.profile', 'encrypt', 'json', undefined],
      ['users.income', 'encrypt', 'numeric', 'exact'],
      ['users.crm_id', 'pseudonymise', 'text', undefined],
      ['users.last_ip', 'truncate-ip', 'text', undefined],
    ]);
  });

  it('is there at once or not at all: a rollback leaves no catalogue row, type, operator or trigger', async () => {
    const trx = await empty.knex.transaction();
    await createUsers(trx);
    await trx.rollback();
    expect([
      await annotations(),
      await domains(),
      await operators(),
      await guards(),
      await guardFunctions(),
    ]).to.deep.equal([{}, [], 0, [], 0]);
    await createUsers();
  });

  it('is mirrored in the comments, behind what the team wrote', async () => {
    await empty.knex.schema.createTable('users', (t) => {
      t.comment('Who uses it');
      t.increments('id');
      t.text('email').comment(`as typed, don't trim`).personal({ category: 'contact.email', protect: 'encrypt' });
      t.text('locale').notPersonal('a language tag singles nobody out');
      t.date('ended_on').notPersonal('the event that starts the clock');
      t.dataSubject('user', { ...service, retention });
    });
    expect(await comment('users')).to.equal(
      'Who uses it [oubli] subject=user basis=contract purpose=provide the service',
    );
    expect(await comment('users', 'email')).to.equal(
      `as typed, don't trim [oubli] category=contact.email origin=provided protect=encrypt`,
    );
    expect(await comment('users', 'locale')).to.equal('[oubli] not personal: a language tag singles nobody out');
  });

  it('can be added to a table later', async () => {
    await createUsers();
    await empty.knex.schema.alterTable('users', (t) => {
      t.text('phone').personal({ category: 'contact.phone', protect: 'encrypt', search: 'exact' });
      t.text('theme').nullable().notPersonal('a colour');
    });
    expect(await annotations()).to.include({ 'users.phone': 'encrypt', 'users.theme': 'not: a colour' });
    expect((await types('users')).phone).to.equal('oubli."users.phone"');
    const [{ prosrc }] = (await empty.rows(
      `select prosrc from pg_proc where pronamespace = 'oubli'::regnamespace and proname like 'guard %'`,
    )) as [{ prosrc: string }];
    expect(prosrc).to.contain('is_token(t0.phone)');
  });

  it('of a column can be said again in a later migration only by annotate()', async () => {
    await createUsers();
    await empty.knex.schema.alterTable('users', (t) => t.setNullable('name'));
    expect((await types('users')).name).to.equal('oubli."users.name"');
    await empty.knex.schema.alterTable('users', (t) => t.dropNullable('name'));
    expect((await types('users')).name).to.equal('oubli."users.name" not null');
  });

  describe('is undone', () => {
    beforeEach(() => createUsers());

    it('by dropTable, whole', async () => {
      await empty.knex.schema.dropTable('users');
      expect(await annotations()).to.deep.equal({});
      expect(await empty.rows('select from oubli.personal_table')).to.deep.equal([]);
      expect([await domains(), await operators(), await guards(), await guardFunctions()]).to.deep.equal([
        [],
        0,
        [],
        0,
      ]);
      await createUsers();
    });

    it('by dropTableIfExists, which also works where nothing is', async () => {
      await empty.knex.schema.dropTableIfExists('users').dropTableIfExists('users');
      expect(await domains()).to.deep.equal([]);
    });

    it('by dropSchema', async () => {
      await empty.knex.schema.createSchema('billing');
      await empty.knex.schema.withSchema('billing').createTable('invoices', (t) => {
        t.increments('id');
        t.text('address').personal({ category: 'contact.address', protect: 'encrypt' });
        t.personalData(service);
      });
      await empty.knex.schema.dropSchema('billing', true);
      expect(Object.keys(await annotations()).filter((name) => name.includes('address'))).to.deep.equal([]);
      expect(await domains()).not.to.include('billing.invoices.address');
    });

    it('by dropColumn, for that column alone', async () => {
      await empty.knex.schema.alterTable('users', (t) => t.dropColumn('email'));
      expect(await annotations()).not.to.have.property('users.email');
      expect(await annotations()).to.include({ 'users.name': 'encrypt' });
      expect(await domains()).not.to.include('users.email');
      expect(await guards()).to.deep.equal(['users: oubli_guard_insert', 'users: oubli_guard_update']);
      await empty.psql.query('insert into users (name) select null where false'); // the guard names no lost column
    });

    it('by dropColumns of every sealed one; what is left of the guard speaks of rows about the erased', async () => {
      await empty.knex.schema.alterTable('users', (t) => t.dropColumns('name', 'email', 'profile', 'income', 'crm_id'));
      expect([await guards(), await guardFunctions()]).to.deep.equal([
        ['users: oubli_guard_insert', 'users: oubli_guard_update'],
        2,
      ]);
      const { rows } = await empty.psql.query(`select prosrc from pg_proc where proname like 'guard %'`);
      for (const { prosrc } of rows) expect(prosrc).to.contain('refuse_revival').and.not.to.contain('key_id');
      expect(await operators()).to.equal(6); // `=` and `<>` of the address that is left, with itself and with inet on either side
    });

    it('when a table was dropped by raw SQL, at the latest by the next declaration', async () => {
      await empty.psql.query('drop table users');
      await createUsers();
      expect(Object.keys(await annotations())).to.have.length(9);
      const { rows } = await empty.psql.query('select count(*)::int as n from oubli.element');
      expect(rows).to.deep.equal([{ n: 6 }]);
    });
  });

  describe('follows', () => {
    beforeEach(() => createUsers());

    it('a renamed column: row, type, guard, and the rule that starts from it', async () => {
      await empty.knex.schema.alterTable('users', (t) => {
        t.renameColumn('email', 'mail');
        t.renameColumn('ended_on', 'left_on');
        t.renameColumn('id', 'number');
      });
      expect(await annotations()).to.include({ 'users.mail': 'encrypt' });
      expect(await annotations()).not.to.have.property('users.email');
      expect((await types('users')).mail).to.equal('oubli."users.mail"');
      const [users] = (await loadCatalogue(empty.psql)).named('users');
      expect(users?.declaration).to.include({ column: 'number' });
      expect(users?.declaration?.spec.retention?.from).to.equal('left_on');
      await empty.psql.query('insert into users (name) select null where false');
    });

    it('a renamed column, whose old name a new column may take', async () => {
      await empty.knex.schema.alterTable('users', (t) => t.renameColumn('email', 'old_email'));
      await empty.knex.schema.alterTable('users', (t) => {
        t.text('email').personal({ category: 'contact.email', protect: 'encrypt', search: 'email', unique: true });
      });
      expect(await types('users')).to.include({ email: 'oubli."users.email"', old_email: 'oubli."users.old_email"' });
    });

    it('a renamed table, whose old name a new table may take', async () => {
      await empty.knex.schema.renameTable('users', 'people');
      expect(await annotations()).to.include({ 'people.email': 'encrypt' });
      expect((await types('people')).email).to.equal('oubli."people.email"');
      expect(await guards()).to.deep.equal(['people: oubli_guard_insert', 'people: oubli_guard_update']);
      await empty.knex.schema.createTable('users', (t) => {
        t.increments('id', { primaryKey: false });
        t.text('email').personal({ category: 'contact.email', protect: 'encrypt', search: 'email', unique: true });
        t.personalData(service);
      });
      expect((await types('users')).email).to.equal('oubli."users.email"');
    });

    it('a copy made with createTableLike, which is guarded too', async () => {
      await empty.knex.schema.createTableLike('staff', 'users');
      expect((await types('staff')).email).to.equal('oubli."users.email"');
      expect(await guards()).to.include('staff: oubli_guard_insert');
    });

    it('a copy that outlives the table, and stands in the way of nothing', async () => {
      await empty.psql.query('create table copies as select * from users');
      await empty.knex.schema.dropTable('users');
      expect((await types('copies')).email).to.equal('oubli."users.email"');
      await createUsers();
      expect((await types('users')).email).to.equal('oubli."users.email~1"');
      await empty.knex.schema.dropTable('copies');
    });
  });

  describe('copes with names', () => {
    it('longer than 63 bytes', async () => {
      const table = `t${'a'.repeat(50)}`;
      const columns = [`c${'b'.repeat(50)}1`, `c${'b'.repeat(50)}2`];
      await empty.knex.schema.createTable(table, (t) => {
        t.increments('id');
        for (const column of columns) {
          t.text(column).personal({ category: 'identity.name', protect: 'encrypt', search: 'exact', unique: true });
        }
        t.date('ended_on').notPersonal('the event that starts the clock');
        t.dataSubject('user', { ...service, retention });
      });
      expect(await domains()).to.have.length(2);
      await empty.knex.schema.alterTable(table, (t) => t.renameColumn(columns[0]!, columns[0]!.replace('c', 'é')));
      await empty.knex.schema.dropTable(table);
      expect(await domains()).to.deep.equal([]);
    });

    it('in mixed case, with quotes, dots, spaces and signs of all kinds', async () => {
      for (const [table, column] of [
        ['Users', 'firstName'],
        [`o'brien`, `l'adresse "privée"`],
        ['select', 'from'],
        ['100%', 'a b\\c'],
        ['naïve', '名前'],
      ] as const) {
        await empty.knex.schema.createTable(table, (t) => {
          t.increments('id');
          t.text(column).personal({ category: 'identity.name', protect: 'encrypt', search: 'exact', unique: true });
          t.date('ended_on').notPersonal('the event that starts the clock');
          t.dataSubject('user', { ...service, retention });
        });
        const [row] = await empty.rows('select rel::text, column_name from oubli.annotation where spec ? $1', [
          'search',
        ]);
        expect(row?.column_name).to.equal(column);
        await empty.knex.schema.alterTable(table, (t) => t.renameColumn(column, `${column}2`));
        expect(await domains()).to.deep.equal([`${table}.${column}2`]);
        await empty.knex.schema.dropTable(table);
        expect(await domains()).to.deep.equal([]);
      }
    });

    it('in another schema, by withSchema and by a dotted name, with the operators beside the table', async () => {
      await empty.knex.schema.createSchema('billing');
      const declare = (t: Knex.CreateTableBuilder): void => {
        t.increments('id');
        t.text('address').personal({ category: 'contact.address', protect: 'encrypt', search: 'exact' });
        t.personalData(service);
      };
      await empty.knex.schema.withSchema('billing').createTable('invoices', declare);
      await empty.knex.schema.createTable('billing.quotes', declare);
      expect(await domains()).to.deep.equal(['billing.invoices.address', 'billing.quotes.address']);
      const schemas = await empty.rows(`select distinct oprnamespace::regnamespace::text as schema from pg_operator
        where oprnamespace <> 'pg_catalog'::regnamespace`);
      expect(schemas).to.deep.equal([{ schema: 'billing' }]);
      await empty.knex.schema.withSchema('billing').alterTable('invoices', (t) => t.renameColumn('address', 'street'));
      await empty.knex.schema.withSchema('billing').renameTable('invoices', 'bills');
      expect(await domains()).to.include('billing.bills.street');
      await empty.knex.schema.withSchema('billing').dropTable('bills');
      expect(await domains()).to.deep.equal(['billing.quotes.address']);
    });

    it('of one table in the schema of each tenant', async () => {
      for (const tenant of ['public', 'tenant_a', 'tenant_b']) {
        await empty.knex.schema.createSchemaIfNotExists(tenant);
        const knex = empty.connect({ searchPath: [tenant] });
        await knex.schema.createTable('customers', (t) => {
          t.increments('id');
          t.text('email').personal({ category: 'contact.email', protect: 'encrypt', search: 'email', unique: true });
          t.personalData(service);
        });
      }
      expect(await domains()).to.deep.equal([
        'customers.email',
        'tenant_a.customers.email',
        'tenant_b.customers.email',
      ]);
    });

    it('that a mapper translates', async () => {
      const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      const knex = empty.connect({ wrapIdentifier: (name, wrap) => wrap(snake(name)) });
      await knex.schema.createTable('appUsers', (t) => {
        t.increments('id');
        t.text('firstName').personal({ category: 'identity.first_name', protect: 'encrypt', search: 'exact' });
        t.text('homeTown').notPersonal('a town');
        t.date('endedOn').notPersonal('the event that starts the clock');
        t.dataSubject('user', { ...service, retention: { ...retention, from: 'ended_on' } });
      });
      expect(await annotations()).to.include({
        'app_users.first_name': 'encrypt',
        'app_users.home_town': 'not: a town',
      });
      expect(await domains()).to.deep.equal(['app_users.first_name']);
      await knex.schema.alterTable('appUsers', (t) => t.renameColumn('firstName', 'givenName'));
      expect(await annotations()).to.include({ 'app_users.given_name': 'encrypt' });
      await knex.schema.alterTable('appUsers', (t) => t.dropColumn('givenName'));
      expect(await domains()).to.deep.equal([]);
    });
  });

  it('costs migrations of other databases nothing: without the schema, nothing is looked for', async () => {
    await uninstall(empty.knex);
    await empty.knex.schema.createTable('plain', (t) => {
      t.increments('id');
      t.text('name').unique();
    });
    await empty.knex.schema.alterTable('plain', (t) => {
      t.index('name');
      t.string('name', 100).alter();
      t.renameColumn('name', 'title');
    });
    await empty.knex.schema.renameTable('plain', 'titles');
    await empty.knex.schema.createTableLike('copies', 'titles');
    await empty.knex.schema.alterTable('titles', (t) => t.dropColumn('title'));
    await empty.knex.schema.dropTable('copies').dropTable('titles');
  });
});
