/**
 * Whatever oubli, Knex and pg say of a statement while it is compiled, sent, answered or refused, no value of a person stands in
 * it (ENVELOPE.md E8). Everything that is said is collected and searched for canaries; the same search finds the canary of a
 * table that nobody declared, or it would prove nothing.
 *
 * Not searched, because they are the caller's own: the builder objects themselves, which events hand on and which hold what was
 * put into them, and what the caller writes into the text of raw SQL instead of binding it.
 */
import { createRequire } from 'node:module';
import { inspect } from 'node:util';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { pathToSubject } from '../../src/catalogue/subject-path';
import { PinnedValue } from '../../src/knex/pinned-value';
import { SubjectRow } from '../../src/knex/subject-row';
import { seamOf } from '../support/listening';
import { createWorld, type World } from '../support/world';

const CANARIES = ['canaryname', 'canarymail', 'canarynick', 'canarycrm', '1907-07-07', '203.0.113.177', 'canarybody'];
const CANARY = new RegExp(CANARIES.map((text) => text.replaceAll('.', '\\.')).join('|'), 'i');
const CONTROL = 'controlcanary';

const PERSON = {
  name: 'Canaryname',
  email: 'canarymail@example.org',
  nickname: 'canarynick',
  crm_id: 'canarycrm',
  birth_date: '1907-07-07',
  last_ip: '203.0.113.177',
};
const BY_EMAIL = { email: PERSON.email };

type Work = (knex: Knex) => unknown;

/** Good statements and bad ones, of every kind that carries a value. */
const WORKS: Record<string, Work> = {
  'an insert': (db) => db('users').insert(PERSON).returning('*'),
  'the same insert again': (db) => db('users').insert(PERSON),
  'an insert with a violated foreign key': (db) =>
    db('contracts').insert({ user_id: 1, id: null as never, signatory: 'Canaryname' }),
  'an insert of nobody': (db) => db('contracts').insert({ signatory: 'Canaryname' }),
  'an insert of an invalid value': (db) => db('users').insert({ ...PERSON, name: 'Canaryname\0' }),
  'an insert into a column that is not there': (db) => db('users').insert({ ...PERSON, nothing: 'canarynick' }),
  'an update of a column that is not there': (db) => db('users').where({ id: 1 }).update({ nothing: 'canarynick' }),
  'an insert of no date': (db) => db('users').insert({ ...PERSON, birth_date: '1907-07-07canarynick' }),
  'an insert of text for a clear date': (db) =>
    db('clear').insert({ user_id: 1, born: '1907-07-07 canarynick', doc: '{}' }),
  'an insert of bad JSON': (db) => db('clear').insert({ user_id: 1, doc: '{"canarynick' }),
  'an insert beyond a clear number': (db) => db('clear').insert({ user_id: 1, size: '99canarynick' }),
  'an upsert that looks for a clear number that is none': (db) =>
    db('clear').insert({ user_id: 1, size: '99canarynick', body: 'canarybody' }).onConflict('size').merge(),
  'an update of those with a clear number that is none': (db) =>
    db('clear').where({ size: '99canarynick' }).update({ body: 'canarybody' }),
  'a stream of such an upsert': (db) =>
    drained(db('clear').insert({ user_id: 1, size: '99canarynick', body: 'canarybody' }).onConflict('size').merge()),
  'an upsert': (db) => db('users').insert(PERSON).onConflict('email').merge().returning('name'),
  'an upsert of values': (db) => db('users').insert(PERSON).onConflict('email').merge({ name: 'Canaryname 2' }),
  'an update': (db) => db('users').where({ id: 1 }).update(PERSON).returning('*'),
  'an update of several': (db) =>
    db('users').where({ nickname: 'canarynick' }).update({ name: 'Canaryname' }, ['name']),
  'an update that violates': (db) => db('users').where({ id: 2 }).update(PERSON),
  'a search': (db) => db('users').where(BY_EMAIL).select(),
  'a search of several': (db) => db('users').whereIn('email', [PERSON.email, 'x@example.org']).first(),
  'a search of what is clear': (db) =>
    db('users')
      .where('nickname', 'like', '%canarynick%')
      .whereLike('nickname', 'canarynick%')
      .whereBetween('nickname', ['canarynick', 'canarynickz']),
  'a search in clear JSON': (db) =>
    db('clear').whereJsonSupersetOf('doc', { x: 'canarynick' }).whereJsonPath('doc', '$.x', '=', 'canarynick'),
  'a search in a clear array': (db) => db('clear').where('tags', '@>', ['canarynick'] as never),
  'a search by address': (db) => db('users').where({ last_ip: PERSON.last_ip }),
  'a search by a part of an address': (db) => db('users').where('last_ip', '<<', `${PERSON.last_ip}/32`),
  'a search in a CTE': (db) => db.with('w', db('users')).from('w').where(BY_EMAIL),
  'a search in a sub-select': (db) => db.from(db('users').as('s')).where(BY_EMAIL).pluck('name'),
  'a search with like': (db) => db('users').where('email', 'like', PERSON.email),
  'a search with an array': (db) => db('users').where({ email: [PERSON.email] as never }),
  'a search that fails in the server': (db) => db('users').where(BY_EMAIL).whereRaw('1/0 = 1'),
  'a search with a condition on a join': (db) =>
    db('contracts').join('users', (on) =>
      on.on('users.id', 'contracts.user_id').onVal('users.email', PERSON.email).onIn('users.nickname', ['canarynick']),
    ),
  'a search by a misspelt name': (db) => db('users').where({ emial: PERSON.email }).orWhereIn('u.nick', ['canarynick']),
  'a delete': (db) =>
    db('users')
      .where({ ...BY_EMAIL, id: -1 })
      .del(['email']),
  'a delete that violates': (db) => db('users').where({ id: 1 }).del(),
  'raw search': (db) => db.raw('select * from users where email = ?', [PERSON.email]),
  'raw search by name': (db) =>
    db.raw('select * from users where email = :email and nickname = :nick', {
      email: PERSON.email,
      nick: 'canarynick',
    }),
  'raw search of several': (db) => db.raw('select * from users where email = any(?)', [[PERSON.email] as never]),
  'raw search with in': (db) =>
    db.raw('select * from users where email in (?, ?)', [PERSON.email, 'canarymail2@example.org']),
  'raw search that does not parse': (db) => db.raw('selekt * from users where email = ?', [PERSON.email]),
  'raw search of what is clear': (db) =>
    db.raw('select * from users where nickname like ? or nickname = any(?)', ['canarynick%', ['canarynick'] as never]),
  'raw search with a cast that fails': (db) =>
    db.raw('select * from users where nickname = ?::date::text', ['canarynick']),
  'raw insert': (db) => db.raw('insert into users (email, nickname) values (?, ?)', [PERSON.email, 'canarynick']),
  'raw insert without search': (db) => db.raw('insert into users (name) values (?)', ['Canaryname']),
  'raw insert that violates': (db) => db.raw('insert into users (nickname) values (?)', ['canarynick']),
  'raw fragments': (db) => db('users').whereRaw('email = ?', [PERSON.email]).whereRaw('nickname = ?', ['canarynick']),
  'a raw column': (db) => db('users').where(db.raw('email') as never, PERSON.email),
  'a pinned value': (db) => db.raw('update users set name = ? where id = ?', [pinned(db, 'Canaryname'), 1]),
  'a pinned value elsewhere': (db) => db.raw('select ?::int', [pinned(db, 'Canaryname')]),
  'a stream': (db) => drained(db('users').where(BY_EMAIL)),
  'a stream that fails': (db) => drained(db('users').where(BY_EMAIL).whereRaw('1/0 = 1')),
  'a stream that violates': (db) => drained(db('users').insert(PERSON).returning('*')),
  'a stream of raw SQL': (db) => drained(db.raw('select * from users where email = ?', [PERSON.email])),
  'a note far from its person': (db) => db('notes').insert({ contract_id: 1, body: 'canarybody' }).returning('*'),
  'a note under a parent that is not there': (db) => db('notes').insert({ contract_id: -1, body: 'canarybody' }),
  'a foreign transaction': (db) =>
    db('users')
      .transacting(foreign as never)
      .insert(PERSON),
  'a statement that takes too long': (db) =>
    db('users').where(BY_EMAIL).whereRaw('pg_sleep(1) is not null').timeout(30, { cancel: true }),
  'something tampered with': (db) => db('contracts').whereNotNull('signatory').whereRaw('id = 2').select(),
  'something tampered with, after what opens': (db) => db('contracts').whereNotNull('signatory').orderBy('id'),
  'an answer that the application’s own hook chokes on': (db) =>
    db('contracts').where({ id: 1 }).queryContext({ choke: true }),
  'a read of what is clear': (db) => db('users').whereNotNull('nickname').select('nickname', 'last_ip'),
  'a pluck of what is clear': (db) => db('users').whereNotNull('nickname').pluck('nickname'),
  'a raw read of what is clear': (db) => db.raw('select id, nickname as n from users'),
  'a read of an expression over what is clear': (db) =>
    db('users').select(db.raw('upper(nickname) as n'), db.raw('to_jsonb(nickname) as j')),
  'an update that returns what is clear': (db) => db('users').where({ id: 2 }).update({ locale: 'fr' }, ['nickname']),
  'a refused query on a transaction': (db) =>
    db.transaction((trx) =>
      trx('users')
        .insert({ ...PERSON, email: `canarymail${++number}@example.org` })
        .returning('*'),
    ),
  'a violation in a transaction': (db) => db.transaction((trx) => trx('users').insert(PERSON)),
};

let number = 0;
let foreign: Knex.Transaction;

function pinned(db: Knex, value: unknown): never {
  const { catalogue } = seamOf(db);
  const [users] = catalogue.named('users');
  return new PinnedValue(value, new SubjectRow(pathToSubject(catalogue, users as never), [1])) as never;
}

async function drained(query: Knex.QueryBuilder | Knex.Raw): Promise<void> {
  for await (const row of query.stream()) void row;
}

describe('No value of a person stands in anything that is said about a statement', () => {
  let world: World;
  let said: [where: string, text: string][] = [];
  const say = (where: string, ...things: unknown[]): void => {
    for (const thing of things) said.push([where, asText(thing)]);
  };

  before(async () => {
    const log = Object.fromEntries(
      ['debug', 'warn', 'error', 'deprecate'].map((level) => [
        level,
        (...args: unknown[]) => say(`log.${level}`, ...args),
      ]),
    );
    world = await createWorld({
      config: {
        debug: true,
        log,
        asyncStackTraces: true,
        postProcessResponse: (answer, context) => {
          if (context?.choke) throw new Error('choked');
          return answer;
        },
      },
    });
    await world.db.schema.createTable('clear', (t) => {
      t.increments('id');
      t.integer('user_id').references('users.id');
      for (const [name, type] of Object.entries({ born: 'date', doc: 'jsonb', tags: 'text[]', size: 'integer' })) {
        t.specificType(name, type).personal({ category: 'identity.name', protect: 'clear', because: 'a test' });
      }
      t.text('body').personal({ category: 'activity.content', protect: 'encrypt' });
      t.unique('size');
      t.personalData({ purpose: 'tests', basis: 'contract' });
    });
    await world.db('users').insert([
      { id: 1, email: 'one@example.org' },
      { id: 2, email: 'two@example.org', nickname: 'canarynick' },
    ]);
    await world.db('contracts').insert([
      { user_id: 1, signatory: 'Canaryname' },
      { user_id: 2, signatory: 'Canaryname' },
    ]);
    await world.plain.raw(`update contracts set signatory =
      set_byte(signatory::bytea, octet_length(signatory) - 1, 255 - get_byte(signatory::bytea, octet_length(signatory) - 1)) where id = 2`);
    foreign = await world.plain.transaction();
    hear(world.db, say);
  });
  after(async () => {
    await foreign.rollback();
    await world.end();
  });
  beforeEach(() => {
    said = [];
  });

  const run = async (work: Work): Promise<void> => {
    const restore = listenToDebug((text) => say('DEBUG=knex:*', text));
    try {
      // Not awaited yet: what a builder says of itself.
      const query = work(world.db) as Knex.QueryBuilder & { toSQL?: () => Knex.Sql; on?: Knex['on'] };
      if (typeof query?.toSQL === 'function') {
        hear(query as never, (where, ...things) => say(`builder ${where}`, ...things));
        saying(() => say('toString()', query.toString()));
        saying(() => say('toSQL()', query.toSQL(), query.toSQL().toNative()));
      }
      await query;
    } catch (error) {
      say('thrown', error);
    } finally {
      restore();
    }
  };
  /** A builder that is refused says so here as well. */
  const saying = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      say('thrown at once', error);
    }
  };

  for (const [says, work] of Object.entries(WORKS)) {
    it(says, async () => {
      await run(work);
      expect(said).not.to.deep.equal([]);
      expect(said.filter(([, text]) => CANARY.test(text))).to.deep.equal([]);
    });
  }

  it('the search finds the canary of a table that nobody declared, in every place that it looks', async () => {
    await run((db) => db('products').insert({ name: CONTROL }).returning('*'));
    await run((db) => db('products').where({ id: CONTROL }));
    await run((db) => db.raw('select * from products where name = ?', [CONTROL]));
    await run((db) => db('products').where({ name: CONTROL }).whereRaw('1/0 = 1'));
    const found = new Set(said.filter(([, text]) => text.includes(CONTROL)).map(([where]) => where));
    for (const where of [
      'query',
      'query-response',
      'query-error',
      'start',
      'builder query',
      'builder query-response',
      'toString()',
      'toSQL()',
      'thrown',
      'log.debug',
      'DEBUG=knex:*',
    ]) {
      expect([...found]).to.include(where);
    }
  });

  it('nor in the markers that stand for values, however they are printed, copied or serialised', () => {
    const { bindings } = world.db('users').insert(PERSON).onConflict('email').merge().toSQL();
    for (const binding of bindings) {
      const copies = [
        binding,
        { ...(binding as object) },
        Object.entries(binding as object),
        structuredCloneOf(binding),
      ];
      expect(copies.map(asText).join('\n')).not.to.match(CANARY);
    }
  });
});

function structuredCloneOf(value: unknown): unknown {
  try {
    return structuredClone(value);
  } catch {
    return undefined;
  }
}

/** Everything an instance or a builder emits; of a `start`, what the builder says of itself. */
function hear(emitter: Knex, say: (where: string, ...things: unknown[]) => void): void {
  emitter.on('query', (query: unknown) => say('query', query));
  emitter.on('query-error', (error: unknown, query: unknown) => say('query-error', error, query));
  emitter.on('query-response', (response: unknown, query: unknown) => say('query-response', response, query));
  emitter.on('start', (builder: Knex.QueryBuilder) => {
    try {
      say('start', builder.toString(), builder.toSQL());
    } catch (error) {
      say('start', error);
    }
  });
}

/** As a log would print it, in all the ways that logs do. */
function asText(thing: unknown): string {
  const texts = [String(thing), inspect(thing, { depth: Number.POSITIVE_INFINITY, showHidden: true, getters: true })];
  try {
    texts.push(JSON.stringify(thing));
  } catch {
    // circular: inspect has shown it
  }
  if (thing instanceof Error) {
    texts.push(thing.message, String(thing.stack), inspect(thing.cause, { depth: Number.POSITIVE_INFINITY }));
    texts.push(JSON.stringify(Object.getOwnPropertyDescriptors(thing)));
  }
  return texts.join('\n');
}

/** What `DEBUG=knex:*` prints, through the copy of `debug` that Knex uses. */
function listenToDebug(listener: (text: string) => void): () => void {
  const debug = createRequire(require.resolve('knex'))('debug') as {
    enable(names: string): void;
    disable(): string;
    log: (...args: unknown[]) => void;
  };
  const { log } = debug;
  debug.log = (...args) => listener(inspect(args, { depth: Number.POSITIVE_INFINITY }));
  debug.enable('knex:*');
  return () => {
    debug.disable();
    debug.log = log;
  };
}
