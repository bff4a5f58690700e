/** Triggers and rules of the team's that keep rows or values while somebody leaves: no receipt says what is not so. */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { annotate, install, type OubliError, SCHEMA_VERSION } from '../../src';
import { addCustomer, migrateArchive } from '../support/archive';
import { addPeople, addPerson, type Person } from '../support/people';
import { refusalOf } from '../support/refusals';
import { beforeStatement, statementsOf } from '../support/sent-statements';
import { wholenessOf } from '../support/wholeness';
import { createWorld, type World } from '../support/world';

const FUNCTIONS = `
create function stay() returns trigger language plpgsql as $$ begin return null; end $$;
create function hide() returns trigger language plpgsql as $$ begin
  update visits set at = 'infinity' where id = old.id;
  return null; end $$;
create function as_it_was() returns trigger language plpgsql as $$ begin return old; end $$;
create function put_back() returns trigger language plpgsql as $$ begin
  if pg_trigger_depth() = 1 then
    update users set nickname = old.nickname where id = old.id;
  end if;
  return null; end $$;
create function put_back_elsewhere() returns trigger language plpgsql as $$ begin
  update users set nickname = 'visited from ' || old.ip where id = old.user_id;
  return null; end $$;
create function note_change() returns trigger language plpgsql as $$ begin
  if current_setting('application_name') = 'oubli sweep' then return coalesce(new, old); end if;
  return null; end $$;`;

describe('A trigger of the team', () => {
  let world: World;
  let ada: Person;
  beforeEach(async () => {
    world = await createWorld();
    ada = await addPerson(world.db, 1);
    await world.plain.raw(FUNCTIONS);
  });
  afterEach(() => world.end());

  const erase = (): Promise<unknown> => world.subject('user', ada.id).erase({ because: 'a test' });
  const KEEPS: readonly (readonly [what: string, table: string, trigger: string])[] = [
    ['a row that was to be deleted', 'visits', 'before delete on visits for each row execute function stay()'],
    ['a row that is only hidden', 'visits', 'before delete on visits for each row execute function hide()'],
    ['every value of a row', 'users', 'before update on users for each row execute function as_it_was()'],
    ['the row as it was by not writing it', 'users', 'before update on users for each row execute function stay()'],
    ['a value by writing it back', 'users', 'after update on users for each row execute function put_back()'],
    ['a value in another table', 'users', 'after delete on visits for each row execute function put_back_elsewhere()'],
    [
      'what the law keeps, unreadably',
      'invoices',
      'before update on invoices for each row execute function as_it_was()',
    ],
  ];
  for (const [what, table, trigger] of KEEPS) {
    it(`L3: that keeps ${what} refuses the erasure, is named, and all is as it was`, async () => {
      await world.plain.raw(`create trigger keeper ${trigger}`);
      await addPerson(world.db, 2);
      const error = await refusalOf(erase);
      expect(error).to.include({ name: 'PlanBlockedError', code: 'TRIGGER_KEPT', table });
      expect(error.fix).to.contain('keeper on ');
      expect(await wholenessOf(world.plain)).to.deep.equal({ untouched: 2, erased: 0, between: [] });
    });
  }

  it('L3: is waited for, where it waits for the commit', async () => {
    await world.plain.raw(
      'create constraint trigger keeper after update on users deferrable initially deferred for each row execute function put_back()',
    );
    expect(await refusalOf(erase)).to.include({ code: 'TRIGGER_KEPT', table: 'users' });
  });

  it('L3: that lets the life cycle pass, as the refusal says, refuses nothing', async () => {
    await world.plain.raw(
      'create trigger keeper before delete or update on visits for each row execute function note_change()',
    );
    await world.plain('visits').where({ user_id: ada.id }).delete();
    expect(await world.plain('visits').where({ user_id: ada.id }), 'it stands').to.have.length(2);
    await erase();
    expect(await world.plain('visits').where({ user_id: ada.id })).to.have.length(0);
  });

  it('A3: that keeps somebody keeps nobody else', async () => {
    const people = await addPeople(world.db, 5, '2020-01-01');
    await world.plain.raw(
      `create trigger keeper before update on users for each row when (old.id = ${people[1]?.id}) execute function as_it_was()`,
    );
    expect(await refusalOf(() => world.sweep({ rule: 'subject:user' }))).to.include({ code: 'TRIGGER_KEPT' });
    expect((await world.receipts({ limit: 100 })).length).to.equal(4);
    const left = await world.plain('users').whereNotNull('nickname').orderBy('id').pluck('id');
    expect(left).to.deep.equal([ada.id, people[1]?.id]);
  });

  describe('that is placed while a sweep runs', () => {
    const CHOOSING = /for update of t skip locked/;
    const ERASING = /insert into oubli\.ledger/;
    const keeps = (table: string) => (): PromiseLike<unknown> =>
      world.plain.raw(`create trigger keeper before delete or update on ${table} for each row execute function stay()`);

    it('A3: undoes the chunk under way, is named, and the next run looks after it', async () => {
      const people = await addPeople(world.db, 6, '2020-01-01');
      const sweep = () => world.sweep({ rule: 'subject:user', chunk: 2 });
      const error = await beforeStatement(CHOOSING, 2, keeps('visits'), () => refusalOf(sweep));
      expect(error).to.include({ name: 'PlanBlockedError', code: 'TRIGGER_PLACED', table: 'visits' });
      expect(error.message).to.contain('keeper');
      expect(await wholenessOf(world.plain)).to.deep.equal({ untouched: 5, erased: 2, between: [] });
      expect(await refusalOf(sweep)).to.include({ code: 'TRIGGER_KEPT', table: 'visits' });
      await world.plain.raw('drop trigger keeper on visits');
      await sweep();
      const left = await world.plain('users').whereNotNull('nickname').pluck('id');
      expect(left).to.deep.equal([ada.id]);
      expect(await world.receipts({ limit: 100 })).to.have.length(people.length);
    });

    it('A3: is seen even between what was looked at and the statement that erases', async () => {
      await addPeople(world.db, 2, '2020-01-01');
      const sweep = () => refusalOf(() => world.sweep({ rule: 'subject:user' }));
      expect(await beforeStatement(ERASING, 1, keeps('users'), sweep)).to.include({ code: 'TRIGGER_PLACED' });
      expect(await wholenessOf(world.plain)).to.deep.equal({ untouched: 3, erased: 0, between: [] });
    });

    it('A3: also of rows that end by a rule of their own, and they are not chosen for ever', async () => {
      const old = Array.from({ length: 4 }, () => ({ user_id: ada.id, total: 1, issued_on: '2000-01-01' }));
      await world.plain('invoices').insert(old);
      const sweep = () => world.sweep({ rule: 'rows:public.invoices', chunk: 1 });
      const error = await beforeStatement(CHOOSING, 2, keeps('invoices'), () => refusalOf(sweep));
      expect(error).to.include({ code: 'TRIGGER_PLACED', table: 'invoices' });
      expect(await world.plain('invoices').where({ issued_on: '2000-01-01' })).to.have.length(3);
    });

    it('A3: so does a rule of PostgreSQL’s', async () => {
      await addPeople(world.db, 2, '2020-01-01');
      const hide = (): PromiseLike<unknown> =>
        world.plain.raw(`create rule hide as on delete to visits
        do instead update visits set at = 'infinity' where id = old.id returning old.*`);
      const sweep = () => refusalOf(() => world.sweep({ rule: 'subject:user', chunk: 1 }));
      const error = await beforeStatement(CHOOSING, 2, hide, sweep);
      expect(error).to.include({ code: 'TRIGGER_PLACED', table: 'visits' });
      expect(await sweep()).to.include({ code: 'PLAN_BLOCKED', table: 'visits' });
    });

    it('A3: one of ours is not taken for one: a hold is placed beside the sweep', async () => {
      const people = await addPeople(world.db, 3, '2020-01-01');
      const hold = async (): Promise<void> => {
        await world.holds.open({ name: 'case 1', ground: 'a claim' });
        await world.holds.place('case 1', { kind: 'user', id: people[2]?.id as number });
      };
      const [report] = await beforeStatement(CHOOSING, 2, hold, () => world.sweep({ rule: 'subject:user', chunk: 1 }));
      expect(report).to.deep.include({ gone: 2, stillDue: 0, held: [{ because: 'case 1', count: 1 }] });
    });
  });

  it('A3: rows that are looked at are locked in one order, so that two workers do not lock each other out', async () => {
    await world.plain.raw(
      'create trigger keeper before delete or update on visits for each row execute function note_change()',
    );
    const sent = await statementsOf(erase);
    const locking = sent.filter(({ text }) => /for update of t\b(?! skip)/.test(text) && /from unnest/.test(text));
    expect(locking.map(({ text }) => /t\.tableoid, t\.ctid for update of t$/.test(text))).to.deep.equal(
      Array(locking.length).fill(true),
    );
    expect(locking.length).to.be.greaterThan(4);
  });

  it('costs nothing where none fires: neither on what is only deleted when it waits for updates, nor where there is none', async () => {
    const statements = async (): Promise<number> => {
      const person = await addPerson(world.db, 7);
      const sent = await statementsOf(() =>
        world.subject('user', person.id).erase({ because: 'a test', probe: 'off' }),
      );
      return sent.length;
    };
    const afterwards = async (): Promise<number> => {
      await statements(); // the first one reads the schema again
      return statements();
    };
    const without = await afterwards();
    await world.plain.raw('create trigger keeper before update on visits for each row execute function stay()');
    expect(await afterwards()).to.equal(without);
    await world.plain.raw('create trigger watcher after delete on visits for each row execute function stay()');
    expect(await afterwards(), 'and this one is looked at').to.be.greaterThan(without);
  });

  it('is refused where nobody could see what it writes: PostgreSQL does not count', async () => {
    await world.plain.raw('create trigger keeper after delete on visits for each row execute function stay()');
    const blind = await world.another({
      config: {
        connection: { connectionString: world.url, options: '-c track_counts=off' } as Knex.PgConnectionConfig,
      },
    });
    const error = await refusalOf(() => blind.subject('user', ada.id).erase({ because: 'a test' }));
    expect(error).to.include({ name: 'ConfigurationError', code: 'TRACK_COUNTS_OFF' });
    expect(await world.plain('visits').where({ user_id: ada.id })).to.have.length(2);
    await erase();
  });
});

describe('A trigger of the team that writes to rows of others which go to the archive', () => {
  it('G4: refuses the erasure as it does where rows are only deleted', async () => {
    const world = await createWorld({ migrate: migrateArchive });
    try {
      const [ada, bob] = [await addCustomer(world.db, 'Ada'), await addCustomer(world.db, 'Bob')];
      await world.plain.raw(`
        create function tell() returns trigger language plpgsql as $$ begin
          update invoices set reference = 'a friend of ' || old.id where user_id = ${bob.id};
          return old; end $$;
        create trigger telling after delete or update on users for each row execute function tell()`);
      const error = await refusalOf(() => world.subject('user', ada.id).erase({ because: 'a test' }));
      expect(error).to.include({ code: 'TRIGGER_WROTE', table: 'invoices' });
      expect(await world.plain('invoices').where({ user_id: ada.id })).to.have.length(2);
    } finally {
      await world.end();
    }
  });
});

async function migrateNothing(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
}

describe('What PostgreSQL does instead', () => {
  const serve = { purpose: 'serve', basis: 'contract' } as const;
  const text = { category: 'activity.content', protect: 'clear', because: 'a test reads it' } as const;
  const ended = { notPersonal: 'starts the clock' } as const;
  let world: World | undefined;
  afterEach(() => world?.end());

  async function refusedWith(tables: string, declare: (knex: Knex) => Promise<unknown>): Promise<OubliError> {
    const opened = await createWorld({ migrate: migrateNothing });
    world = opened;
    await opened.plain.raw(
      `create table people (id int primary key, ended_on date); insert into people values (1); ${tables}`,
    );
    await annotate(opened.plain, 'people', {
      subject: { kind: 'person', ...serve, retention: { from: 'ended_on', keep: '6 months', then: 'erase' } },
      columns: { ended_on: ended },
    });
    await declare(opened.plain);
    return refusalOf(() => opened.subject('person', 1).erase({ because: 'a test' }));
  }

  it('G2: is refused: a rule on the rows of hers', async () => {
    const error = await refusedWith(
      `create table notes (id int primary key, person_id int not null references people, text text, hidden boolean);
      create index on notes (person_id); insert into notes values (1, 1, 'hers');
      create rule hide as on delete to notes do instead update notes set hidden = true where id = old.id returning old.*`,
      (knex) => annotate(knex, 'notes', { data: serve, columns: { text, hidden: { notPersonal: 'a flag' } } }),
    );
    expect(error).to.include({ code: 'PLAN_BLOCKED', table: 'notes' });
    expect(error.message).to.contain('a rule of notes (hide)');
  });

  it('G2: is refused: rows that stay without a key, and a trigger that could put their values back', async () => {
    const error = await refusedWith(
      `create table notes (person_id int not null references people, text text);
      create index on notes (person_id); insert into notes values (1, 'hers');
      create function same() returns trigger language plpgsql as $$ begin return new; end $$;
      create trigger same before update on notes for each row execute function same()`,
      (knex) => annotate(knex, 'notes', { data: { ...serve, onErase: 'anonymise' }, columns: { text } }),
    );
    expect(error).to.include({ code: 'PLAN_BLOCKED', table: 'notes' });
    expect(error.message).to.contain('notes has no primary key');
  });

  it('G2: is refused: a trigger that leads a row back to her', async () => {
    const error = await refusedWith(
      `create table likes (id int primary key, person_id int, post int);
      insert into likes values (1, 1, 7);
      create function same() returns trigger language plpgsql as $$ begin return old; end $$;
      create trigger same before update on likes for each row execute function same()`,
      (knex) =>
        annotate(knex, 'likes', {
          data: { ...serve, onErase: 'detach', references: [{ columns: ['person_id'], to: 'people' }] },
          columns: { post: { notPersonal: 'a number' } },
        }),
    );
    expect(error).to.include({ code: 'TRIGGER_KEPT', table: 'likes' });
  });
});
