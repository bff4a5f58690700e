/** In a scope of one person no statement opens a row of somebody else's, whatever its shape and however it is run. */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { type NamedSubject, ScopeExceededError } from '../../src';
import { failureOf } from '../support/refusals';
import { chapters } from '../support/surface/table';
import { createSurface, type Surface } from '../support/surface/worlds';

/** What is sealed of the others: no statement of the surface writes any of it. */
const FOREIGN = ['Bob', 'bob@example.org', 'cyd@example.org', 'Cyd', 'B. Jones', 'English gardens'];

/** What an attacker who writes the SQL would ask for. */
const INJECTED = [
  'select email from users',
  'select * from users where id = 1 or true',
  'select * from users u join contracts c on c.user_id = u.id',
  'select u.id, c.signatory from users u full join contracts c using (id)',
  'select name from users where id = 1 union all select email from users',
  'select name from users except select name from users where id = 1',
  'select (select name from users where id = 2) as name',
  'select coalesce(null, name) as n from users where id = 2',
  'select case when id = 2 then name end as n from users',
  'with others as materialized (select * from users where id > 1) select * from others',
  'select u from (select name from users) u(u)',
  'select l.name from users u, lateral (select name from users where id <> u.id) l where u.id = 1',
  'select array_agg(name) from users',
  'select json_agg(users) from users',
  'select row_to_json(users) from users where id = 2',
  "select jsonb_build_object('deep', jsonb_build_array(name)) from users where id = 2",
  'select first_value(name) over (order by id desc) from users where true',
  'select (users).name from users where id = 2',
  'select unnest(array[name]) from users where id = 2',
  'update users set locale = locale where id = 2 returning email',
  'delete from contracts where user_id = 2 returning signatory',
  'with gone as (delete from contracts where user_id = 2 returning *) select signatory from gone',
  'select name from users where id = 1; select name from users where id = 2',
  'begin; declare c cursor for select name from users; fetch all from c; commit',
  'create temp table stolen as select name from users; select * from stolen; drop table stolen',
  "create or replace function pg_temp.steal() returns setof users language sql as 'select * from users'; select * from pg_temp.steal()",
  'prepare steal as select name from users; execute steal; deallocate steal',
  'select name::bytea from users where id = 2',
  'select signatory from contracts order by plan desc limit 2',
];

/** They listen to no error of their stream: of whatever fails in it, Node says that nobody heard of it. */
const UNHEARD = ['stream with a handler, with back-pressure', 'pipe'];

const ROLLED_BACK = new Error('rolled back');

/** What a call answers; nothing it wrote stays. */
async function answerOf(db: Knex, call: (db: Knex) => unknown, alone = false): Promise<unknown> {
  if (alone) return call(db);
  let answer: unknown;
  const work = db.transaction(async (trx) => {
    answer = await call(trx);
    throw ROLLED_BACK;
  });
  const error = await failureOf(() => work);
  if (error !== ROLLED_BACK) throw error;
  return answer;
}

function isForeign(answer: unknown): boolean {
  const text = JSON.stringify(answer, (_, value) => (typeof value === 'bigint' ? `${value}` : value)) ?? '';
  return FOREIGN.some((value) => text.includes(value));
}

describe('A scope of one person', () => {
  let surface: Surface;
  let subjects: NamedSubject[];
  before(async () => {
    surface = await createSurface();
    subjects = [surface.oubli.subject('user', 1)];
  });
  after(() => surface.end());

  /** The same call in a scope, by both ways into one. */
  const ways: readonly (readonly [string, (run: (db: Knex) => Promise<unknown>) => Promise<unknown>])[] = [
    ['by its handle', (run) => run(surface.oubli.scope({ purpose: 'attack', subjects }))],
    ['within it', (run) => surface.oubli.scope({ purpose: 'attack', subjects }, () => run(surface.db))],
  ];

  for (const [way, scoped] of ways) {
    const expectClosed = async (what: string, call: (db: Knex) => unknown, alone?: boolean): Promise<boolean> => {
      const open = await answerOf(surface.db, call, alone);
      let answer: unknown;
      try {
        answer = await scoped((db) => answerOf(db, call, alone));
      } catch (error) {
        expect(error, what).to.be.instanceOf(ScopeExceededError);
        return isForeign(open);
      }
      expect(isForeign(open), `${what} shows foreign rows, and was not refused`).to.equal(false);
      expect(isForeign(answer), what).to.equal(false);
      return false;
    };

    it(`opens no foreign row ${way}: every verb of Knex's surface`, async function () {
      this.timeout(60_000);
      let shown = 0;
      for (const { verb, call, alone, refused } of chapters.flatMap(({ verbs }) => verbs))
        if (refused === undefined && !UNHEARD.includes(verb) && (await expectClosed(verb, call, alone))) shown++;
      expect(shown, 'verbs that show foreign rows outside of a scope').to.be.greaterThan(40);
    });

    it(`opens no foreign row ${way}: every injected text`, async () => {
      for (const sql of INJECTED) {
        const call = async (db: Knex): Promise<unknown> =>
          [await db.raw(sql.replaceAll('?', '\\?'))].flat().map(({ rows }) => rows);
        expect(await expectClosed(sql, call), sql).to.equal(true);
      }
    });

    it(`opens no foreign row ${way}: one that was copied into her own row`, async () => {
      const { rows } = await surface.protected.plain.raw(
        'select signatory::bytea as sealed from contracts where id = 2',
      );
      const call = async (db: Knex): Promise<unknown> => {
        await db.raw('create temp table mine (id int, signatory bytea) on commit drop');
        await db.raw('insert into mine values (1, ?::bytea)', [rows[0].sealed]);
        return (await db.raw('select coalesce(m.signatory, m.signatory) as s from mine m')).rows;
      };
      expect(await expectClosed('copied', call)).to.equal(true);
    });

    it(`opens her own rows ${way}`, async () => {
      const rows = await scoped(async (db) =>
        db('users as u').join('contracts as c', 'c.user_id', 'u.id').where('u.id', 1),
      );
      expect(rows).to.have.length(2);
      expect((rows as { signatory: string }[]).map(({ signatory }) => signatory).sort()).to.deep.equal([
        'A. L.',
        'A. Lovelace',
      ]);
    });
  }
});
