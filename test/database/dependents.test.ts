/** What is made of a column's type stands in the way of another one: said by name, before anything is changed. */
import { expect } from 'chai';
import { annotate, install, SCHEMA_VERSION } from '../../src';
import { createEmpty, type EmptyDatabase } from '../support/empty';
import { expectFix, refusalOf } from '../support/refusals';
import { createWorld } from '../support/world';

const PERSON = {
  kind: 'guest',
  purpose: 'host them',
  basis: 'contract',
  retention: { from: { event: 'service_ended' }, keep: '6 months', then: 'erase' },
} as const;
const SEALED = { category: 'contact.email', protect: 'encrypt' } as const;

/** What stands in the way, how it is called, and how it leaves. */
const DEPENDENTS: [what: string, create: string, named: string, drop: string][] = [
  ['a view', 'create view mails as select email from guests', 'view mails', 'drop view mails'],
  [
    'a view that only counts it',
    'create view n as select count(email) from guests where email is not null',
    'view n',
    'drop view n',
  ],
  [
    'a materialised view over a view, which leaves first',
    'create view mails as select email from guests; create materialized view "More" as select 1 as one from mails',
    'materialized view "More", view mails',
    'drop materialized view "More"; drop view mails',
  ],
  [
    'a rule',
    `create table said (email text); create rule heard as on update to guests do also insert into said values (new.email)`,
    'rule heard on guests',
    'drop rule heard on guests',
  ],
  [
    'a trigger of its updates, and one with a condition',
    `create function f() returns trigger language plpgsql as 'begin return new; end';
     create trigger a before update of email on guests for each row execute function f();
     create trigger b before insert on guests for each row when (new.email like '%@%') execute function f()`,
    'trigger a on guests, trigger b on guests',
    'drop trigger a on guests; drop trigger b on guests',
  ],
  [
    'a policy',
    `create policy own on guests using (email = current_user)`,
    'policy own on guests',
    'drop policy own on guests',
  ],
  [
    'a generated column',
    'alter table guests add column folded text generated always as (lower(email)) stored',
    'generated column guests.folded',
    'alter table guests drop column folded',
  ],
  [
    'a function with a body of SQL',
    'create function mail(who int) returns text language sql return (select email from guests where id = who)',
    'function mail(integer)',
    'drop function mail(integer)',
  ],
  [
    'a table of whole rows',
    'create table copies (n int, guest guests)',
    'column copies.guest',
    'alter table copies drop column guest',
  ],
];

describe('What depends on a column', () => {
  let empty: EmptyDatabase;
  beforeEach(async () => {
    empty = await createEmpty();
    await install(empty.knex, { version: SCHEMA_VERSION });
    await empty.psql.query(`create table guests (id serial primary key, email text, locale text, ip inet);
      insert into guests (email, ip) values ('ada@example.org', '203.0.113.0')`);
  });
  afterEach(() => empty.end());

  const protect = (column = 'email'): Promise<void> =>
    annotate(empty.knex, 'guests', {
      subject: PERSON,
      columns: {
        [column]:
          column === 'email' ? SEALED : { category: 'connection.ip', protect: 'truncate-ip', origin: 'observed' },
      },
    });

  for (const [what, create, named, drop] of DEPENDENTS) {
    it(`is named by annotate(): ${what}; and once it is away, the column is sealed`, async () => {
      await empty.psql.query(create);
      const error = await refusalOf(() => protect());
      expect(error).to.include({ code: 'TYPE_DEPENDED_ON', table: 'guests', column: 'email' });
      expect(error.message).to.contain(`made of it: ${named}\n`);
      expectFix(error, new RegExp(`^${drop.replace(/[()]/g, '\\$&')} {2}-- then this again`), ['ada@example.org']);
      expect(await empty.rows('select email from guests')).to.deep.equal([{ email: 'ada@example.org' }]);
      expect(await empty.rows('select from oubli.element')).to.deep.equal([]);
      await empty.psql.query(error.fix);
      await protect();
      const [column] = await empty.rows(`select format_type(atttypid, -1) as type from pg_attribute
        where attrelid = 'guests'::regclass and attname = 'email'`);
      expect(column?.type).to.equal('oubli."guests.email"');
    });
  }

  it('stays where it depends on another column, as triggers and checks of that one do', async () => {
    await empty.psql.query(`create view tongues as select id, locale from guests;
      create function f() returns trigger language plpgsql as 'begin return new; end';
      create trigger t before update of locale on guests for each row execute function f()`);
    await protect();
    expect(await empty.rows('select * from tongues')).to.deep.equal([{ id: 1, locale: null }]);
  });

  it('is named for addresses as well, whose type changes too; and a partition key is', async () => {
    await empty.psql.query('create view addresses as select ip from guests');
    expect((await refusalOf(() => protect('ip'))).message).to.contain('view addresses');
    await empty.psql.query(`drop view addresses; drop table guests; create table guests (id int, email text, ip inet,
      primary key (id, email)) partition by list (email); alter table guests drop constraint guests_pkey`);
    const error = await refusalOf(() => protect());
    expect(error.message).to.contain('the partition key of guests');
  });

  it('is named by unprotect, before anything is opened', async () => {
    const world = await createWorld();
    try {
      await world.db('users').insert({ id: 1, email: 'ada@example.org' });
      await world.plain.raw('create view n as select count(*) from users where email is not null');
      const error = await refusalOf(() => world.unprotect('users', { columns: ['email'], because: 'a test' }));
      expect(error).to.include({ code: 'TYPE_DEPENDED_ON', table: 'users', column: 'email' });
      await world.plain.raw('drop view n');
      await world.unprotect('users', { columns: ['email'], because: 'a test' });
      expect(await world.plain('users').pluck('email')).to.deep.equal(['ada@example.org']);
    } finally {
      await world.end();
    }
  });
});
