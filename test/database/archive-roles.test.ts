import { expect } from 'chai';
import knexPackage, { type Knex } from 'knex';
import { type ArchivedRow, installArchive, type Oubli } from '../../src';
import { addCustomer, type Customer, migrateArchive } from '../support/archive';
import { runOubli } from '../support/cli';
import { failureOf, refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

/** The application's own role, which owns nothing and may do in the active base what an application does. */
const ROLES = `
do $$ begin
  if not exists (select from pg_roles where rolname = 'shop') then create role shop login password 'shop'; end if;
  if not exists (select from pg_roles where rolname = 'auditor') then create role auditor nologin; end if;
end $$;
grant usage on schema public, oubli to shop;
grant all on all tables in schema public, oubli to shop;
grant all on all sequences in schema public, oubli to shop;`;

function asShop(url: string): string {
  const at = new URL(url);
  at.username = 'shop';
  at.password = 'shop';
  return at.href;
}

describe('The role of the application', () => {
  let world: World;
  let shop: Oubli & { knex: Knex };
  let bare: Knex;
  let ada: Customer;

  before(async () => {
    world = await createWorld({ migrate: migrateArchive });
    await world.plain.raw(ROLES);
    await installArchive(world.plain, { movers: ['shop'], readers: ['auditor'] });
    const connection = asShop(world.url);
    bare = knexPackage({ client: 'pg', connection, pool: { min: 0, max: 2 } });
    shop = await world.another({ config: { connection } });
    ada = await addCustomer(shop.db, 'Ada');
    await addCustomer(shop.db, 'Bob');
    await shop.subject('user', ada.id).erase({ because: 'her request' });
  });
  after(async () => {
    await bare.destroy();
    await world.end();
  });

  it('R1: moves rows to the archive with nothing but the right to insert', async () => {
    expect(await world.plain('oubli_archive.archived_row')).to.have.length(2);
    const { rows } = await world.plain.raw(`
      select a.privilege_type from pg_class c, aclexplode(c.relacl) a
      where c.oid = 'oubli_archive.archived_row'::regclass and a.grantee = 'shop'::regrole`);
    expect(rows).to.deep.equal([{ privilege_type: 'INSERT' }]);
  });

  it('R1: owns no part of the archive, which belongs to a role that cannot log in', async () => {
    const { rows } = await world.plain.raw(`
      select distinct r.rolname, r.rolcanlogin from (
        select nspowner as owner from pg_namespace where nspname = 'oubli_archive'
        union all select relowner from pg_class where relnamespace = 'oubli_archive'::regnamespace
        union all select proowner from pg_proc where pronamespace = 'oubli_archive'::regnamespace) o
      join pg_roles r on r.oid = o.owner`);
    expect(rows).to.deep.equal([{ rolname: 'oubli_archive', rolcanlogin: false }]);
  });

  const forbidden = [
    'select * from oubli_archive.archived_row',
    'select count(*) from oubli_archive.archived_row',
    'select until from oubli_archive.archived_row',
    'table oubli_archive.archived_row',
    'copy oubli_archive.archived_row to stdout',
    'update oubli_archive.archived_row set until = now()',
    'delete from oubli_archive.archived_row',
    'truncate oubli_archive.archived_row',
    'do $$ begin lock table oubli_archive.archived_row in share mode; end $$',
    `insert into oubli_archive.archived_row values ('invoices', gen_random_uuid(), '\\x00112233445566778899aabbccddeeff', null, now(), 1, now(),
      ('\\xa70b01007fffffff' || repeat('00', 72))::bytea) returning sealed`,
    `insert into oubli_archive.archived_row select * from oubli_archive.archived_row on conflict (source, id) do update set until = now()`,
    'create view mine as select * from oubli_archive.archived_row; select * from mine',
    'create table oubli_archive.mine (id int)',
    'alter table oubli_archive.archived_row disable trigger all',
    'drop table oubli_archive.archived_row',
    'drop schema oubli_archive cascade',
    'create or replace function oubli_archive.now() returns timestamptz language sql return now()',
    'set role oubli_archive',
    'set role auditor',
    'select oubli_archive.now()',
  ];
  for (const statement of forbidden) {
    it(`R1: is refused by PostgreSQL: ${statement.split('\n')[0]}`, async () => {
      const failure = await failureOf(() => bare.raw(statement.replaceAll('?', '\\?')));
      expect(failure.code, failure.message).to.equal('42501');
    });
  }

  it('R1: can grant itself nothing: what it may not do it may not pass on', async () => {
    await bare.raw('grant select on oubli_archive.archived_row to shop');
    expect(await failureOf(() => bare('oubli_archive.archived_row'))).to.include({ code: '42501' });
  });

  it('R1: can have nothing destroyed before its end', async () => {
    expect((await bare.raw('select * from oubli_archive.destroy_ended(1000, array[]::bytea[])')).rows).to.deep.equal(
      [],
    );
    expect(await world.plain('oubli_archive.archived_row')).to.have.length(2);
  });

  it('R1: is refused by the query builder too, before anything is sent, with what to write instead', async () => {
    const asked = [
      () => shop.db('oubli_archive.archived_row').first(),
      () => shop.db.withSchema('oubli_archive').from('archived_row').select(),
      () => shop.db('users').join('oubli_archive.archived_row as a', 'a.id', 'users.id').select('users.id'),
      () => shop.db('oubli_archive.archived_row').delete(),
    ];
    for (const ask of asked) {
      const error = await refusalOf(ask);
      expect(error).to.include({ name: 'UnsupportedQueryError', code: 'ARCHIVE_CLOSED' });
      expect(error.fix).to.include('archive.read(');
    }
  });

  it('R1: opens nothing of the archive through raw SQL, even for a role that may read it', async () => {
    const sealed = await world.db.raw(
      'select sealed, sealed || null as joined from oubli_archive.archived_row limit 1',
    );
    expect(sealed.rows[0].sealed).to.be.instanceOf(Buffer);
    const cast = await world.db.raw('select (select sealed::bytea) as sealed from oubli_archive.archived_row limit 1');
    expect(cast.rows[0].sealed).to.be.instanceOf(Buffer);
  });

  it('R1: cannot read through archive.read() either, unless as a role that may', async () => {
    const error = await refusalOf(() => all(shop));
    expect(error).to.include({ name: 'ConfigurationError', code: 'ARCHIVE_UNREADABLE' });
    expect(error.fix).to.include('grant select on oubli_archive.archived_row to auditor; grant auditor to shop');
    expect(await world.plain('oubli.ledger').where({ act: 'archive_read' })).to.deep.equal([]);
  });

  it('R1: is told by oubli check whether it can read the archive', async () => {
    const asShopSees = await runOubli(['check'], { env: { DATABASE_URL: asShop(world.url) } });
    expect(asShopSees.stdout).to.include('oubli_archive: belongs to oubli_archive; shop may not read it');
    const asSuperuserSees = await runOubli(['check', '--url', world.url]);
    expect(asSuperuserSees.stdout).to.include('may read it: the application must be another role');
  });

  it('R1: lists and reads on the command line, with a reason, as a role that may', async () => {
    const env = { DATABASE_URL: world.url };
    const keys = ['--keys', world.keyFile];
    const list = await runOubli(['archive', 'list', ...keys], { env });
    expect(list.stdout).to.equal(
      'invoices: 2 rows in oubli_archive; the first end on 2034-01-31, the last on 2035-06-30\n',
    );
    const read = await runOubli(
      ['archive', 'read', 'invoices', '--because', 'tax audit 2031', '--as', 'auditor', ...keys],
      {
        env,
      },
    );
    const rows = read.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows.map(({ columns }) => columns.billed_to)).to.deep.equal([ada.street, ada.street]);
    const unreasoned = await runOubli(['archive', 'read', 'invoices', ...keys], { env });
    expect(unreasoned.code).to.equal(1);
    expect(unreasoned.stderr).to.include('--because');
    for (const half of [
      ['--kind', 'user'],
      ['--id', '1'],
    ]) {
      const everybody = await runOubli(['archive', 'read', 'invoices', '--because', 'x', ...half, ...keys], { env });
      expect(everybody).to.include({ code: 1, stdout: '' });
      expect(everybody.stderr).to.include('alone names nobody');
    }
    const entries = await world.plain('oubli.ledger').where({ act: 'archive_read' });
    expect(entries.map(({ because, details }) => [because, details.role])).to.deep.equal([
      ['tax audit 2031', 'auditor'],
    ]);
  });

  it('R1: reads as the role that it was given, for one transaction', async () => {
    await world.plain
      .raw('grant auditor to shop with inherit false, set true')
      .catch(() => world.plain.raw('grant auditor to shop'));
    const reader = await world.another({ config: { connection: asShop(world.url) }, archive: { role: 'auditor' } });
    expect((await all(reader)).map(({ columns }) => columns?.billed_to)).to.deep.equal([ada.street, ada.street]);
    const entry = await world.plain('oubli.ledger').where({ act: 'archive_read' }).orderBy('entry', 'desc').first();
    expect(entry.details).to.deep.equal({
      archive: 'oubli_archive',
      role: 'auditor',
      tables: [{ table: 'invoices', action: 'read', rows: 2 }],
    });
    expect((await reader.db.raw('select current_user as me')).rows).to.deep.equal([{ me: 'shop' }]);
  });
});

async function all(instance: Pick<Oubli, 'archive'>): Promise<ArchivedRow[]> {
  const rows: ArchivedRow[] = [];
  for await (const row of instance.archive.read({ table: 'invoices', because: 'tax audit' })) rows.push(row);
  return rows;
}
