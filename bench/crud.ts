/** What protection costs ordinary statements: bulk insert, full read, look-up by e-mail, update. */
import type { Work } from './rounds';
import { BATCH, type BenchWorld } from './world';

const SINGLE_STATEMENTS = 2_000;

export function crudWorks({ plain, db, people }: BenchWorld): Work[] {
  const emails = people.slice(0, SINGLE_STATEMENTS).map((person) => person.email);
  const empty = async (side: 'plain' | 'protected'): Promise<void> => {
    await plain.raw(side === 'plain' ? 'truncate plain_people' : 'truncate people');
  };
  return [
    {
      name: 'W1',
      title: 'insert 10,000 people (batchInsert of 500)',
      prepare: empty,
      plain: () => plain.batchInsert('plain_people', [...people], BATCH).then(() => undefined),
      protected: () => db.batchInsert('people', [...people], BATCH).then(() => undefined),
    },
    {
      name: 'W2',
      title: 'select 10,000 people, all columns',
      plain: () => expectRows(plain('plain_people').select(), people.length),
      protected: () => expectRows(db('people').select(), people.length),
    },
    {
      name: 'W3',
      title: '2,000 look-ups by e-mail',
      plain: () => one(emails, (email) => expectRows(plain('plain_people').where({ email }), 1)),
      protected: () => one(emails, (email) => expectRows(db('people').where({ email }), 1)),
    },
    {
      name: 'W4',
      title: '2,000 updates of one sealed column',
      plain: () =>
        one(emails, (_, id) =>
          plain('plain_people')
            .where({ id })
            .update({ phone: `+33 ${id}` }),
        ),
      protected: () =>
        one(emails, (_, id) =>
          db('people')
            .where({ id })
            .update({ phone: `+33 ${id}` }),
        ),
    },
  ];
}

async function one(emails: readonly string[], run: (email: string, id: number) => PromiseLike<unknown>): Promise<void> {
  for (const [place, email] of emails.entries()) await run(email, place + 1);
}

/** A bench that does not do its work would be fast. */
async function expectRows(query: PromiseLike<unknown[]>, count: number): Promise<void> {
  const rows = await query;
  if (rows.length !== count) throw new Error(`${rows.length} rows instead of ${count}`);
}
