/** Shapes of references that tables have in the wild, and what is left of each when one person leaves (ERASURE.md G1, G2, G4). */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { annotate, install, PlanBlockedError, type Receipt, SCHEMA_VERSION } from '../../src';
import { refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

const serve = { purpose: 'provide the service', basis: 'contract' } as const;
const person = { ...serve, retention: { from: 'ended_on', keep: '6 months', then: 'erase' } } as const;
const ended = { notPersonal: 'starts the clock' } as const;
const clear = { category: 'activity.content', protect: 'clear', because: 'a test reads it' } as const;

const PEOPLE = `
create table people (id int primary key, name text, ended_on date);
insert into people values (1, 'Ada'), (2, 'Bob'), (3, 'Eve');`;

/** People, and what a test adds to them. */
async function worldOf(sql: string, declare: (knex: Knex) => Promise<void>): Promise<World> {
  const world = await createWorld({ migrate: migrateNothing });
  await world.plain.raw(PEOPLE + sql);
  await annotate(world.plain, 'people', {
    subject: { kind: 'person', ...person },
    columns: { name: clear, ended_on: ended },
  });
  await declare(world.plain);
  return world;
}

async function migrateNothing(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
}

describe('Erasing', () => {
  let world: World;
  afterEach(() => world.end());

  const erase = (id: number): Promise<Receipt> => world.subject('person', id).erase({ because: 'a test' });
  const rows = async (sql: string): Promise<unknown[]> => (await world.plain.raw(sql)).rows;
  const counts = ({ removed }: Receipt): string[] => removed.map(({ table, rows: n }) => `${table} ${n}`).sort();

  describe('G1: along every shape of reference', () => {
    it('G1: a tree of comments, in another schema, with names that must be quoted', async () => {
      world = await worldOf(
        `create schema "Forum";
        create table "Forum"."Com ment" ("Id" int primary key, "by" int not null references people,
          parent int references "Forum"."Com ment", "Text" text);
        create index on "Forum"."Com ment" ("by"); create index on "Forum"."Com ment" (parent);
        insert into "Forum"."Com ment" values (1, 1, null, 'hers'), (2, 2, 1, 'his answer'), (3, 1, 2, 'hers again'), (4, 1, 1, 'to herself');`,
        (knex) =>
          annotate(knex, 'Forum.Com ment', { data: { ...serve, subject: { via: 'by' } }, columns: { Text: clear } }),
      );
      const receipt = await erase(1);
      expect(counts(receipt)).to.deep.equal(['"Forum"."Com ment" 3', 'people 1']);
      expect(await rows('select * from "Forum"."Com ment"')).to.deep.equal([
        { Id: 2, by: 2, parent: null, Text: 'his answer' },
      ]);
    });

    it('G1: partitions of partitions, a key to a partitioned table, and one to a single partition', async () => {
      world = await worldOf(
        `create table orders (id int, person_id int not null references people, at date, note text, primary key (id, at)) partition by range (at);
        create table orders_old partition of orders for values from ('2020-01-01') to ('2021-01-01') partition by list (id);
        create table orders_old_a partition of orders_old for values in (1, 2);
        create table orders_new partition of orders for values from ('2021-01-01') to ('2022-01-01');
        create index on orders (person_id);
        create table lines (order_id int not null, at date not null, amount int, foreign key (order_id, at) references orders);
        create index on lines (order_id, at);
        create table gifts (order_id int, at date, wish text, foreign key (order_id, at) references orders_new (id, at));
        create index on gifts (at, order_id);
        insert into orders values (1, 1, '2020-02-02', 'a'), (2, 2, '2020-02-02', 'b'), (3, 1, '2021-02-02', 'c'), (4, 2, '2021-02-02', 'd');
        insert into lines values (1, '2020-02-02', 5), (2, '2020-02-02', 6), (3, '2021-02-02', 7);
        insert into gifts values (3, '2021-02-02', 'x'), (4, '2021-02-02', 'y');`,
        async (knex) => {
          await annotate(knex, 'orders', { data: serve, columns: { note: clear, at: { notPersonal: 'a day' } } });
          await annotate(knex, 'lines', { data: serve, columns: { amount: { notPersonal: 'an amount' } } });
          await annotate(knex, 'gifts', { columns: { wish: { notPersonal: 'a thing' } } });
        },
      );
      const receipt = await erase(1);
      expect(counts(receipt)).to.deep.equal(['lines 2', 'orders 2', 'people 1']);
      expect(receipt.detached).to.deep.equal([{ table: 'gifts', rows: 1 }]);
      expect(await rows('select note from orders order by 1')).to.deep.equal([{ note: 'b' }, { note: 'd' }]);
      expect(await rows('select wish from gifts where order_id is not null')).to.deep.equal([{ wish: 'y' }]);
    });

    it('G1: rows of a table that inherits, whose own columns nobody may have overlooked', async () => {
      world = await worldOf(
        `create table visits (id int, person_id int not null, page text);
        create table logins (device text) inherits (visits);
        create index on visits (person_id); create index on logins (person_id);
        insert into visits values (1, 1, 'a'), (2, 2, 'b'); insert into logins values (3, 1, 'c', 'phone'), (4, 2, 'd', 'tablet');`,
        (knex) =>
          annotate(knex, 'visits', {
            data: { ...serve, references: [{ columns: ['person_id'], to: 'people' }] },
            columns: { page: clear, id: { notPersonal: 'a number' } },
          }),
      );
      const error = await refusalOf(() => erase(1));
      expect(error).to.be.instanceOf(PlanBlockedError).and.include({ code: 'PLAN_BLOCKED', table: 'logins' });
      expect(await rows('select count(*)::int as n from visits')).to.deep.equal([{ n: 4 }]);
      await annotate(world.plain, 'logins', { columns: { device: { notPersonal: 'a kind of device' } } });
      expect(counts(await erase(1))).to.deep.equal(['people 1', 'visits 2']);
      expect(await rows('select id from visits order by 1')).to.deep.equal([{ id: 2 }, { id: 4 }]);
    });
  });

  describe('G1: without an index', () => {
    it('G1: is refused before anything is touched, with all the statements that are missing, which then serve', async () => {
      world = await worldOf(
        `create table orders (id int primary key, person_id int not null references people, text text);
        create table log (id int primary key, order_id int references orders on delete cascade);
        create table notes (id int, "Person Id" int references people, done boolean, text text);
        create index on notes ("Person Id") where not done;
        create index on orders (id, person_id);
        create table days (person_id int references people, on_day date, text text) partition by list (on_day);
        create table days_1 partition of days for values in ('2026-01-01');
        create index on only days (person_id);
        create table visits (person_id int, text text); create table logins () inherits (visits);
        insert into orders values (1, 1, 'x'); insert into log values (1, 1);`,
        async (knex) => {
          for (const table of ['orders', 'notes', 'days'])
            await annotate(knex, table, { data: serve, columns: { text: clear } });
          await annotate(knex, 'visits', {
            data: { ...serve, references: [{ columns: ['person_id'], to: 'people' }] },
            columns: { text: clear },
          });
          await knex.raw('drop index logins_person_id_idx');
        },
      );
      const error = await refusalOf(() => erase(1));
      expect(error).to.be.instanceOf(PlanBlockedError).and.include({ code: 'INDEX_MISSING' });
      expect(error.fix.split('\n').sort()).to.deep.equal([
        'create index concurrently on "log" ("order_id");',
        'create index concurrently on "logins" ("person_id");',
        'create index concurrently on "notes" ("Person Id");',
        'create index concurrently on "orders" ("person_id");',
        'create index on "days" ("person_id");',
      ]);
      expect(await rows('select count(*)::int as n from orders')).to.deep.equal([{ n: 1 }]);
      for (const statement of error.fix.split('\n')) await world.plain.raw(statement);
      expect(counts(await erase(1))).to.include.members(['orders 1', 'log 1']);
    });
  });

  describe('G2: what nobody declared', () => {
    it('G2: blocks with all of it at once, and touches nothing', async () => {
      world = await worldOf(
        `create table a (id int primary key, person_id int references people, text text);
        create table b (id int primary key, person_id int references people on delete set null, remark text);
        create table c (id int primary key, person_id int references people on delete cascade, mail text);
        create table d (id int primary key, person_id int references people, text text);
        insert into a values (1, 1, 'x'); insert into b values (1, 1, 'y'); insert into c values (1, 1, 'z');`,
        async (knex) => {
          await annotate(knex, 'c', { columns: { mail: clear } });
          await annotate(knex, 'd', { data: { ...serve, onErase: 'review' }, columns: { text: clear } });
        },
      );
      const error = await refusalOf(() => erase(1));
      expect(error).to.be.instanceOf(PlanBlockedError).and.include({ code: 'PLAN_BLOCKED' });
      for (const table of ['a refers', 'b refers', 'c has personal', 'd waits'])
        expect(error.message).to.contain(table);
      expect(
        await rows(
          'select (select count(*) from people)::int + (select count(*) from b where person_id = 1)::int as n',
        ),
      ).to.deep.equal([{ n: 4 }]);
    });

    it('G2: detach is refused where something personal would stay, or the link cannot go', async () => {
      world = await worldOf(
        `create table a (id int primary key, person_id int references people, text text);
        create table b (id int primary key, person_id int not null references people);`,
        (knex) => annotate(knex, 'a', { data: { ...serve, onErase: 'detach' }, columns: { text: clear } }),
      );
      expect(await refusalOf(() => erase(1))).to.include({ code: 'DETACH_PERSONAL', table: 'a', column: 'text' });
      await annotate(world.plain, 'a', { data: serve, columns: {} });
      await annotate(world.plain, 'b', { data: { ...serve, onErase: 'detach' }, columns: {} });
      expect(await refusalOf(() => erase(1))).to.include({ code: 'DETACH_NOT_NULL', table: 'b', column: 'person_id' });
    });
  });

  describe('G4: history', () => {
    const HISTORY = `
      create table notes (id int primary key, person_id int not null references people, text text, deleted_at timestamptz);
      create index on notes (person_id);
      create table people_history (like people); create table notes_history (like notes);
      create function keep() returns trigger language plpgsql as $$ begin
        execute format('insert into %I select ($1).*', tg_table_name || '_history') using old; return null; end $$;
      create trigger history after update or delete on people for each row execute function keep();
      create constraint trigger history after update or delete on notes deferrable initially deferred for each row execute function keep();
      insert into notes values (1, 1, 'hers', null), (2, 1, 'deleted softly', now()), (3, 2, 'his', now());
      update people set name = name || '!'; update notes set text = text || '!';`;
    const declare = async (knex: Knex): Promise<void> => {
      await annotate(knex, 'notes', { data: serve, columns: { text: clear, deleted_at: { notPersonal: 'a moment' } } });
    };

    it('G4: is emptied with her, also of what a trigger writes while she leaves; rows deleted softly are rows like others', async () => {
      world = await worldOf(HISTORY, async (knex) => {
        await declare(knex);
        await annotate(knex, 'people_history', {
          data: { ...serve, references: [{ columns: ['id'], to: 'people' }] },
          columns: { name: clear, ended_on: ended },
        });
        await annotate(knex, 'notes_history', {
          data: { ...serve, references: [{ columns: ['id'], to: 'notes' }] },
          columns: { text: clear, deleted_at: { notPersonal: 'a moment' }, person_id: { notPersonal: 'a number' } },
        });
      });
      expect(counts(await erase(1))).to.deep.equal(['notes 2', 'notes_history 2', 'people 1', 'people_history 1']);
      expect(await rows('select id from people_history order by 1')).to.deep.equal([{ id: 2 }, { id: 3 }]);
      expect(await rows('select id from notes_history')).to.deep.equal([{ id: 3 }]);
      expect(await rows('select id from notes')).to.deep.equal([{ id: 3 }]);
    });

    it('G4: that nobody declared refuses the erasure in which a trigger wrote to it, and all is as it was', async () => {
      world = await worldOf(HISTORY, declare);
      const error = await refusalOf(() => erase(1));
      expect(error).to.be.instanceOf(PlanBlockedError).and.include({ code: 'TRIGGER_WROTE' });
      expect(await rows('select count(*)::int as n from people')).to.deep.equal([{ n: 3 }]);
      expect(await rows('select count(*)::int as n from people_history')).to.deep.equal([{ n: 3 }]);
    });
  });
});
