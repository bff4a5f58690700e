/** What is said of columns that are about somebody else than their table's subject: checked, shown, written into types. */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { type AnnotateSpec, annotate } from '../../src';
import { runOubli } from '../support/cli';
import { migrateCorrespondence } from '../support/correspondence';
import { expectFix, refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

const clear = { category: 'activity.content', protect: 'clear', because: 'a test' } as const;

describe('A column that names its own subject', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld({ migrate: migrateCorrespondence });
  });
  afterEach(() => world.end());

  const declare = (table: string, columns: AnnotateSpec['columns']): Promise<void> =>
    annotate(world.plain, table, { columns });
  const atStart = () => refusalOf(() => world.another());
  const check = () => runOubli(['check', '--url', world.url]);

  it('G3: is refused at start where nobody is found through it, with the key that leads to somebody', async () => {
    for (const [subject, fix] of [
      [{ via: 'recipient' }, /subject: \{ via: 'recipient_id' \}.*messages[.]mood/],
      [{ via: 'sent_on' }, /subject: \{ via: '\w+_id' \}/],
      [{ via: 'recipient_id', kind: 'clerk' }, /subject: \{ via: 'recipient_id' \}/],
    ] as const) {
      await declare('messages', { mood: { ...clear, subject } });
      const error = await atStart();
      expect(error.code).to.equal('COLUMN_SUBJECT_NOWHERE');
      expect(error).to.include({ table: 'messages', column: 'mood' });
      expectFix(error, fix);
    }
  });

  it('G3: is refused where it is the table’s own subject, or several people', async () => {
    await declare('messages', { mood: { ...clear, subject: { via: 'sender_id' } } });
    const own = await atStart();
    expect(own.code).to.equal('COLUMN_SUBJECT_OWN');
    expectFix(own, /messages[.]mood, without 'subject'/);
    await world.plain.raw(`create table threads (id int primary key, a_id int references users, b_id int references users);
      alter table messages add thread_id int references threads`);
    await declare('messages', { mood: { ...clear, subject: { via: 'thread_id' } } });
    const many = await atStart();
    expect(many.code).to.equal('COLUMN_SUBJECT_AMBIGUOUS');
    expectFix(many, /via: 'user_id'/);
    await world.plain.raw('alter table threads drop b_id; alter table threads add b_id int references clerks');
    const kinds = await atStart();
    expect(kinds.code).to.equal('COLUMN_SUBJECT_AMBIGUOUS');
    expectFix(kinds, /subject: \{ via: 'thread_id', kind: '(user|clerk)' \}/);
    await declare('messages', { mood: { ...clear, subject: { via: 'thread_id', kind: 'clerk' } } });
    await world.another();
  });

  it('G3: is refused where the row is a person herself, or the table nobody’s', async () => {
    await world.plain.raw('alter table users add boss_id int references users, add remark text');
    await declare('users', { remark: { ...clear, subject: { via: 'boss_id' } } });
    const person = await atStart();
    expect(person.code).to.equal('COLUMN_SUBJECT_PLACE');
    expectFix(person, /remark in a table of its own/);
  });

  it('G3: is refused in an index with a column of somebody else', async () => {
    await world.plain.raw(`create table notes (id int primary key, a_id int references users, b_id int references users,
      a text, b text)`);
    const sealed = { category: 'identity.name', protect: 'encrypt' } as const;
    await annotate(world.plain, 'notes', {
      data: { purpose: 'tests', basis: 'contract', subject: { via: 'a_id' } },
      columns: {
        a: { ...sealed, search: { as: 'exact', with: { b: 'exact' } } as const },
        b: { ...sealed, subject: { via: 'b_id' } },
      },
    });
    const torn = await atStart();
    expect(torn.code).to.equal('COLUMN_SUBJECT_TORN');
    expectFix(torn, /search: 'exact'/);
  });

  it('G3: is shown by oubli check, with what would be refused at start', async () => {
    const sound = await check();
    expect(sound).to.include({ code: 0 });
    expect(sound.stdout).to.contain(
      'messages: body of the user by sender_id; reply, reply_pen, mood of the user by recipient_id; verdict of the clerk by clerk_id',
    );
    await declare('messages', { mood: { ...clear, subject: { via: 'recipient' } } });
    const broken = await check();
    expect(broken.code).to.equal(1);
    expect(broken.stdout).to.match(/messages[.]mood: no foreign key over recipient.*\n {2}fix: .*recipient_id/);
    expect(broken.stdout).not.to.contain('of the user by sender_id; reply');
  });

  it('G3: stands in the types of the rows, and in the column’s comment', async () => {
    const { stdout } = await runOubli(['types', 'messages', '--url', world.url]);
    expect(stdout)
      .to.contain('  body: string | null;')
      .and.to.contain('  /** About whom `recipient_id` names. */\n  reply: string | null;');
    const { stdout: camel } = await runOubli(['types', 'messages', '--camel-case', '--url', world.url]);
    expect(camel).to.contain('  /** About whom `recipientId` names. */\n  replyPen: string | null;');
    expect(await commentOf(world.plain, 'messages', 'reply')).to.contain('"via": "recipient_id"');
  });
});

async function commentOf(plain: Knex, table: string, column: string): Promise<string> {
  const { rows } = await plain.raw(
    'select col_description(attrelid, attnum) as said from pg_attribute where attrelid = ?::regclass and attname = ?',
    [table, column],
  );
  return rows[0].said;
}
