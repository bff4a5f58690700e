/** Whose row it is: found through the real foreign keys when `oubli()` starts, or said by name why it is not (ERASURE.md G1). */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { install, localKeys, oubli, SCHEMA_VERSION } from '../../src';
import { generateKeyFile } from '../../src/keyring/local-keys';
import { createEmpty, type EmptyDatabase } from '../support/empty';
import { expectFix, refusalOf } from '../support/refusals';

const service = { purpose: 'provide the service', basis: 'contract' } as const;
const sealed = { category: 'activity.content', protect: 'encrypt' } as const;

describe('The way from a row to its person', () => {
  let empty: EmptyDatabase;
  let folder: string;
  let keyFile: string;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'oubli-keys-'));
    keyFile = path.join(folder, 'oubli.keys');
    await generateKeyFile(keyFile);
  });
  after(() => rm(folder, { recursive: true }));
  beforeEach(async () => {
    empty = await createEmpty();
    await install(empty.knex, { version: SCHEMA_VERSION });
    await createSubjects('users', 'user');
  });
  afterEach(() => empty.end());

  async function createSubjects(
    table: string,
    kind: string,
    more?: (t: Knex.CreateTableBuilder) => void,
  ): Promise<void> {
    await empty.knex.schema.createTable(table, (t) => {
      t.increments('id');
      t.text('name').personal({ category: 'identity.name', protect: 'encrypt' });
      t.date('ended_on').notPersonal('the event that starts the clock');
      more?.(t);
      t.dataSubject(kind, { ...service, retention: { from: 'ended_on', keep: '6 months', then: 'erase' } });
    });
  }

  async function createData(
    table: string,
    columns: (t: Knex.CreateTableBuilder) => void,
    spec: object = {},
  ): Promise<void> {
    await empty.knex.schema.createTable(table, (t) => {
      t.increments('id');
      t.text('body').personal(sealed);
      columns(t);
      t.personalData({ ...service, ...spec });
    });
  }

  const keys = () => localKeys({ file: keyFile });
  const start = () => oubli(empty.connect({ client: 'pg' }), { keys: keys() });
  const refused = () => refusalOf(start);

  /** Whose key seals the rows of a table: the proof that the way was found is that the right person's key was made. */
  async function sealsFor(insert: (db: Knex) => Promise<unknown>): Promise<string[]> {
    const { db, close } = await start();
    await insert(db);
    const rows = await empty.rows(`select kind || ' ' || subject_id as who from oubli.subject_link order by 1`);
    await close();
    return rows.map((row) => String(row.who));
  }

  it('that does not exist is said at start, with the foreign key that is missing', async () => {
    await createData('comments', (t) => void t.integer('user_id').notPersonal('meant to lead to the user'));
    const error = await refused();
    expect(error).to.include({ code: 'SUBJECT_UNREACHABLE', table: 'comments' });
    expect(error.message).to.contain("no foreign key leads to a table of data subjects (known kinds: 'user')");
    expectFix(error, /^t\.foreign\('user_id'\)\.references\('users\.id'\) {2}\/\/ in comments/);
    await empty.knex.schema.alterTable('comments', (t) => void t.foreign('user_id').references('users.id'));
    await (await start()).close();
  });

  it('that ends in a table of nobody’s is no way', async () => {
    await empty.knex.schema.createTable('threads', (t) => void t.increments('id'));
    await createData('comments', (t) => void t.integer('thread_id').references('threads.id'));
    expect(await refused()).to.include({ code: 'SUBJECT_UNREACHABLE', table: 'comments' });
  });

  it('is one hop, two hops, or three', async () => {
    await createData('projects', (t) => void t.integer('user_id').references('users.id'));
    await createData('tasks', (t) => void t.integer('project_id').references('projects.id'));
    await createData('remarks', (t) => void t.integer('task_id').references('tasks.id'));
    const who = await sealsFor(async (db) => {
      await db('users').insert([{ name: 'Ada' }, { name: 'Bob' }]);
      await db('projects').insert({ user_id: 2, body: 'p' });
      await db('tasks').insert({ project_id: 1, body: 't' });
      await db('remarks').insert({ task_id: 1, body: 'r' });
    });
    expect(who).to.deep.equal(['user 1', 'user 2']);
    const [row] =
      await empty.rows(`select oubli.key_id(r.body::bytea) = l.key_id as bobs from remarks r, oubli.subject_link l
      where l.subject_id = '2'`);
    expect(row).to.deep.equal({ bobs: true });
  });

  it('passes through a table that is not declared itself', async () => {
    await empty.knex.schema.createTable('accounts', (t) => {
      t.increments('id');
      t.integer('user_id').references('users.id');
    });
    await createData('comments', (t) => void t.integer('account_id').references('accounts.id'));
    const who = await sealsFor(async (db) => {
      await db('users').insert({ id: 7, name: 'Ada' });
      await db('accounts').insert({ user_id: 7 });
      await db('comments').insert({ account_id: 1, body: 'c' });
    });
    expect(who).to.deep.equal(['user 7']);
  });

  it('is not lost in a self-reference, nor in a cycle', async () => {
    await createData('comments', (t) => {
      t.integer('parent_id').references('comments.id');
      t.integer('user_id').references('users.id');
    });
    await empty.knex.schema.createTable('a', (t) => void t.increments('id'));
    await createData('b', (t) => void t.integer('a_id').references('a.id'));
    await empty.knex.schema.alterTable('a', (t) => void t.integer('b_id').references('b.id'));
    expect(await refused()).to.include({ code: 'SUBJECT_UNREACHABLE', table: 'b' });
    await empty.knex.schema.alterTable('a', (t) => void t.integer('user_id').references('users.id'));
    const who = await sealsFor(async (db) => {
      await db('users').insert({ name: 'Ada' });
      await db('comments').insert({ user_id: 1, body: 'c' });
      await db('comments').insert({ user_id: 1, parent_id: 1, body: 'd' });
    });
    expect(who).to.deep.equal(['user 1']);
  });

  it('of a subject that refers to another one is its own row', async () => {
    await createSubjects('staff', 'employee', (t) => {
      t.integer('manager_id').references('staff.id');
      t.integer('user_id').references('users.id');
    });
    const who = await sealsFor((db) => db('staff').insert({ id: 3, name: 'Ada' }));
    expect(who).to.deep.equal(['employee 3']);
  });

  describe('that is not the only one', () => {
    const twoWays = (spec: object = {}) =>
      createData(
        'messages',
        (t) => {
          t.integer('sender_id').references('users.id');
          t.integer('reader_id').references('users.id');
        },
        spec,
      );

    it('is refused at start, naming the ways and how to choose', async () => {
      await twoWays();
      const error = await refused();
      expect(error).to.include({ code: 'SUBJECT_AMBIGUOUS', table: 'messages' });
      expect(error.message).to.match(/through '(sender_id', 'reader_id|reader_id', 'sender_id)'/);
      expectFix(error, /t\.personalData\(\{ …, subject: \{ via: '(sender|reader)_id' \} \}\)/);
    });

    it('is refused also where both ways lead through the same table', async () => {
      await empty.psql.query('create table accounts (id int primary key, user_id int references users)');
      await createData('transfers', (t) => {
        t.integer('from_id').references('accounts.id');
        t.integer('to_id').references('accounts.id');
      });
      expect(await refused()).to.include({ code: 'SUBJECT_AMBIGUOUS', table: 'transfers' });
    });

    it('is chosen with subject: { via }', async () => {
      await twoWays({ subject: { via: 'reader_id' } });
      const who = await sealsFor(async (db) => {
        await db('users').insert([{ name: 'Ada' }, { name: 'Bob' }]);
        await empty.psql.query('delete from oubli.subject_link');
      });
      expect(who).to.deep.equal([]);
      expect(await sealsFor((db) => db('messages').insert({ sender_id: 1, reader_id: 2, body: 'm' }))).to.deep.equal([
        'user 2',
      ]);
    });

    it('is chosen with subject: { kind } where the ways lead to different kinds', async () => {
      await createSubjects('staff', 'employee');
      const columns = (t: Knex.CreateTableBuilder): void => {
        t.integer('user_id').references('users.id');
        t.integer('agent_id').references('staff.id');
      };
      await createData('calls', columns);
      expect(await refused()).to.include({ code: 'SUBJECT_AMBIGUOUS', table: 'calls' });
      await empty.knex.schema.dropTable('calls');
      await createData('calls', columns, { subject: { kind: 'employee' } });
      const who = await sealsFor(async (db) => {
        await db('staff').insert({ name: 'Bob' });
        await db('users').insert({ name: 'Ada' });
        await empty.psql.query('delete from oubli.subject_link');
      });
      expect(who).to.deep.equal([]);
      expect(await sealsFor((db) => db('calls').insert({ user_id: 1, agent_id: 1, body: 'c' }))).to.deep.equal([
        'employee 1',
      ]);
    });

    it('follows the renaming of the column it goes by', async () => {
      await twoWays({ subject: { via: 'reader_id' } });
      await empty.knex.schema.alterTable('messages', (t) => t.renameColumn('reader_id', 'to_id'));
      await (await start()).close();
    });

    it('is said to be none where via or kind names nothing that leads there', async () => {
      await twoWays({ subject: { via: 'writer_id' } });
      expect(await refused()).to.include({ code: 'SUBJECT_UNREACHABLE', table: 'messages' });
      await empty.knex.schema.dropTable('messages');
      await twoWays({ subject: { kind: 'customer' } });
      const error = await refused();
      expect(error).to.include({ code: 'SUBJECT_UNREACHABLE', table: 'messages' });
      expect(error.message).to.contain("'customer'");
    });
  });

  describe('A retention rule', () => {
    const startingFrom = (from: string) =>
      createData(
        'invoices',
        (t) => {
          t.integer('user_id').references('users.id');
          t.date('issued_on').notPersonal('the fiscal date');
          t.text('number').notPersonal('a number');
          t.timestamp('paid_at').notPersonal('a moment');
        },
        { retention: { from, keep: '10 years', then: 'delete' } },
      );

    it('from a column that is not there is refused at start, and the one that was meant is proposed', async () => {
      await startingFrom('isued_on');
      const error = await refused();
      expect(error).to.include({ code: 'UNKNOWN_ANCHOR', table: 'invoices', column: 'isued_on' });
      expectFix(error, /retention: \{ from: 'issued_on', … \}/);
    });

    it('from a column that holds no date is refused at start', async () => {
      await startingFrom('number');
      expect(await refused()).to.include({ code: 'UNKNOWN_ANCHOR', table: 'invoices', column: 'number' });
    });

    it('from a sealed column is refused: only the database’s clock decides, and it cannot read it', async () => {
      await createData(
        'visits',
        (t) => {
          t.integer('user_id').references('users.id');
          t.date('seen_on').personal({ category: 'connection.log', protect: 'encrypt' });
        },
        { retention: { from: 'seen_on', keep: '1 year', then: 'delete' } },
      );
      expect(await refused()).to.include({ code: 'UNKNOWN_ANCHOR', table: 'visits', column: 'seen_on' });
    });

    it('from a date or a timestamp starts', async () => {
      await startingFrom('paid_at');
      await (await start()).close();
    });

    it('whose column was dropped is refused at the next start', async () => {
      await startingFrom('issued_on');
      await empty.knex.schema.alterTable('invoices', (t) => t.dropColumn('issued_on'));
      expect(await refused()).to.include({ code: 'UNKNOWN_ANCHOR', table: 'invoices', column: 'issued_on' });
    });
  });

  it('is checked again when this process declares a table, before the next query runs', async () => {
    const { db, close } = await start();
    await db.schema.createTable('comments', (t) => {
      t.increments('id');
      t.text('body').personal(sealed);
      t.personalData(service);
    });
    const error = await refusalOf(() => db('comments').insert({ body: 'c' }));
    expect(error).to.include({ code: 'SUBJECT_UNREACHABLE', table: 'comments' });
    expect(await empty.rows('select from comments')).to.deep.equal([]);
    await close();
  });
});
