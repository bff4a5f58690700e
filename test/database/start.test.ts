/** What `oubli()` verifies before any query of the application runs (ENVELOPE.md K9), and what is left after `close()`. */
import { readFile, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import knexPackage, { type Knex } from 'knex';
import { install, localKeys, oubli, SCHEMA_VERSION } from '../../src';
import type { Element } from '../../src/catalogue/model';
import { indexKey } from '../../src/crypto/blind-index';
import { newKeyDocument } from '../../src/keyring/key-document';
import { createEmpty, type EmptyDatabase } from '../support/empty';
import { seamOf } from '../support/listening';
import { expectFix, failureOf, refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** What was overwritten with zeros meanwhile, as it was before, in hex. */
async function overwrittenBy(work: () => Promise<void>): Promise<Set<string>> {
  const gone = new Set<string>();
  const { fill } = Uint8Array.prototype;
  Uint8Array.prototype.fill = function (this: Uint8Array, ...given: Parameters<typeof fill>) {
    const before = hex(this);
    const filled = fill.apply(this, given);
    if (this.every((byte) => byte === 0)) gone.add(before);
    return filled;
  } as typeof fill;
  try {
    await work();
  } finally {
    Uint8Array.prototype.fill = fill;
  }
  return gone;
}

interface KeyDocument {
  epochs: Record<string, string>;
  index: string;
  ledger: string;
}

describe('Starting with keys', () => {
  let world: World;
  let knex: Knex;
  let queries: string[];
  before(async () => {
    world = await createWorld();
    await world.db('users').insert({ name: 'Ada', email: 'ada@example.org' });
  });
  after(() => world.end());
  beforeEach(() => {
    knex = knexPackage({ client: 'pg', connection: world.url, pool: { min: 0, max: 2 } });
    queries = [];
    knex.on('query', ({ sql }: { sql: string }) => queries.push(sql));
  });
  afterEach(() => knex.destroy());

  /** The installation's key document with another one's keys in some places. */
  async function startWith(change: (own: KeyDocument, other: KeyDocument) => KeyDocument) {
    const own = JSON.parse(await readFile(world.keyFile, 'utf8')) as KeyDocument;
    const changed = change(structuredClone(own), JSON.parse(String(newKeyDocument())) as KeyDocument);
    const file = `${world.keyFile}.other`;
    await writeFile(file, JSON.stringify({ ...changed, oubli: 1 }), { mode: 0o600 });
    const error = await refusalOf(() => oubli(knex, { keys: localKeys({ file }) }));
    for (const key of [changed.index, changed.ledger, ...Object.values(changed.epochs)]) {
      expect(error.message).not.to.contain(key);
    }
    return error;
  }

  it('K9: that belong to another installation names the epoch, and runs no query of the application', async () => {
    const error = await startWith((_, other) => other);
    expect(error.code).to.equal('WRONG_EPOCH_KEY');
    expect(error.message).to.contain('the key of epoch 1 is not the one this database was sealed with');
    expectFix(error, /epoch 1/);
    expect(queries).to.deep.equal([]);
  });

  it('of which one epoch is wrong names that epoch', async () => {
    const error = await startWith((own, other) => ({ ...own, epochs: { 1: other.epochs['1']! } }));
    expect(error.code).to.equal('WRONG_EPOCH_KEY');
  });

  it('that lack an epoch the database needs names it', async () => {
    const error = await startWith((own) => ({ ...own, epochs: { 2: own.epochs['1']! } }));
    expect(error.code).to.equal('UNKNOWN_EPOCH');
    expect(error.message).to.contain('has no key of epoch 1');
    expect(await world.plain('oubli.epoch').pluck('id')).to.deep.equal([1]);
  });

  it('that bring a new epoch beside the old ones leave it to a rotation to open it; from then on it is needed', async () => {
    const elsewhere = await createWorld();
    await elsewhere.db('users').insert({ name: 'Ada', email: 'ada@example.org' });
    const own = JSON.parse(await readFile(elsewhere.keyFile, 'utf8')) as KeyDocument;
    const other = JSON.parse(String(newKeyDocument())) as KeyDocument;
    const file = `${elsewhere.keyFile}.both`;
    const both = { ...own, oubli: 1, epochs: { ...own.epochs, 2: other.epochs['1']! } };
    await writeFile(file, JSON.stringify(both), { mode: 0o600 });
    const { epochs } = await elsewhere.another({ keys: { name: 'by hand', load: localKeys({ file }).load } });
    await elsewhere.another(); // has no key of it, and needs none yet
    expect(await epochs.rotate()).to.include({ epoch: 2, opened: true, rewrapped: 1 });
    const error = await refusalOf(() => epochs.rotate());
    expect([error.code, error.message.includes('by hand')]).to.deep.equal(['EPOCHS_READ_ONLY', true]);
    expect((await refusalOf(() => elsewhere.another())).message).to.contain('has no key of epoch 2');
    await elsewhere.end();
  });

  for (const role of ['index', 'ledger'] as const) {
    it(`of which the ${role} root is wrong names the role, and runs no query of the application`, async () => {
      const error = await startWith((own, other) => ({ ...own, [role]: other[role] }));
      expect(error.code).to.equal('WRONG_ROOT_KEY');
      expect(error.message).to.contain(`the ${role} key is not the one`);
      expect(queries).to.deep.equal([]);
    });
  }

  it('that were refused leaves the instance as it was, and it can start with the right ones', async () => {
    await startWith((_, other) => other);
    const [row] = await knex('users').select('name');
    expect(row.name).to.be.instanceOf(Buffer);
    const { db, close } = await oubli(knex, { keys: localKeys({ file: world.keyFile }) });
    expect(await db('users').first('name')).to.deep.equal({ name: 'Ada' });
    await close();
  });

  it('twice on one instance answers the same, also when both start at once', async () => {
    const keys = localKeys({ file: world.keyFile });
    const [first, second] = await Promise.all([oubli(knex, { keys }), oubli(knex, { keys })]);
    const third = await oubli(knex, { keys });
    expect(first === second && second === third).to.equal(true);
    expect(first.db).to.equal(knex);
    await first.db('users').update({ name: 'Ada' });
    expect(await first.db('users').first('name')).to.deep.equal({ name: 'Ada' });
    await first.close();
  });

  it('refuses an option it does not know, and says which was meant', async () => {
    const error = await refusalOf(() => oubli(knex, { key: localKeys({ file: world.keyFile }) } as never));
    expect(error.code).to.equal('UNKNOWN_SETTING');
    expect(error.message).to.contain("did you mean 'keys'?");
  });

  it('refuses a transaction', async () => {
    await knex.transaction(async (trx) => {
      const error = await refusalOf(() => oubli(trx, { keys: localKeys({ file: world.keyFile }) }));
      expect(error.code).to.equal('IS_TRANSACTION');
      expectFix(error, /await oubli\(knex, \{ keys \}\)/);
    });
  });

  it('refuses another database system', async () => {
    class NotPostgres extends knexPackage.Client {
      override readonly driverName = 'mysql2';
      _driver(): object {
        return {};
      }
    }
    const other = knexPackage({ client: NotPostgres as never });
    const error = await refusalOf(() => oubli(other, { keys: localKeys({ file: world.keyFile }) }));
    expect(error.code).to.equal('NOT_POSTGRES');
    expect(error.message).to.contain("'mysql2'");
    await other.destroy();
  });
});

describe('After close()', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld();
  });
  afterEach(() => world.end());

  it('every query is refused before it is sent, personal or not: what is personal is no longer known', async () => {
    const { db, knex, close } = await world.another();
    await close();
    const sent: string[] = [];
    knex.on('query', ({ sql }: { sql: string }) => sent.push(sql));
    for (const query of [
      () => db('users').insert({ name: 'Ada', email: 'ada@example.org' }),
      () => db('users').select(),
      () => db('users').update({ name: 'Ada' }),
      () => db('products').select(),
      () => db('products').insert({ name: 'pen' }),
      () => db.raw('select name from users where email = ?', ['ada@example.org']),
      () => db.transaction((trx) => trx('users').insert({ name: 'Ada', email: 'ada@example.org' })),
    ]) {
      const error = await refusalOf(query);
      expect(error.code).to.equal('NOT_READY');
      expectFix(error, /await oubli\(knex, \{ keys \}\)/, ['ada@example.org']);
    }
    expect(sent.filter((sql) => !/^(begin|rollback)/i.test(sql))).to.deep.equal([]);
    expect(await world.plain('users').select()).to.deep.equal([]);
  });

  it('toString() and toSQL() are refused as well, and show nothing', async () => {
    const { db, close } = await world.another();
    await close();
    const insert = db('users').insert({ name: 'Ada', email: 'ada@example.org' });
    expect((await refusalOf(() => insert.toSQL())).code).to.equal('NOT_READY');
    expect((await refusalOf(() => insert.toString())).code).to.equal('NOT_READY');
  });

  it('the pool lives on until it is destroyed, and destroying it closes too', async () => {
    const { db, knex, unprotected, close } = await world.another();
    await close();
    expect((await unprotected()('products').select()).length).to.equal(0);
    const second = await world.another();
    await second.knex.destroy();
    expect(await failureOf(() => second.db('users').select())).to.be.instanceOf(Error);
    expect(db).to.equal(knex);
  });
});

describe('Starting on a schema', () => {
  let empty: EmptyDatabase;
  let keyFile: string;
  let world: World;
  before(async () => {
    world = await createWorld();
    keyFile = world.keyFile;
  });
  after(() => world.end());
  beforeEach(async () => {
    empty = await createEmpty();
  });
  afterEach(() => empty.end());

  const start = () => refusalOf(() => oubli(empty.connect({ client: 'pg' }), { keys: localKeys({ file: keyFile }) }));

  it('that is missing says how to install it', async () => {
    const error = await start();
    expect(error.code).to.equal('NOT_INSTALLED');
    expectFix(error, new RegExp(`install\\(knex, \\{ version: ${SCHEMA_VERSION} \\}\\) {2}// in a migration`));
  });

  it('that is newer than the library says to update the library, and touches nothing', async () => {
    await install(empty.knex, { version: SCHEMA_VERSION });
    await empty.psql.query(`insert into oubli.migration values (${SCHEMA_VERSION + 1}, 'later')`);
    const error = await start();
    expect(error.code).to.equal('SCHEMA_TOO_NEW');
    expectFix(error, /npm install oubli@latest/);
    expect(await empty.rows('select from oubli.epoch')).to.deep.equal([]);
  });

  it('that is older than the library says which migration to write', async () => {
    for (let version = 1; version < SCHEMA_VERSION; version++) {
      await install(empty.knex, { version });
      const error = await start();
      expect(error.code).to.equal('SCHEMA_TOO_OLD');
      expect(error.message).to.contain(`at version ${version}; this library needs ${SCHEMA_VERSION}`);
      expectFix(error, /in a new migration/);
    }
  });

  it('that holds no personal table yet works: the first migration comes later', async () => {
    await install(empty.knex, { version: SCHEMA_VERSION });
    const { db, close } = await oubli(empty.connect({ client: 'pg' }), { keys: localKeys({ file: keyFile }) });
    await db.schema.createTable('plain', (t) => t.increments('id'));
    expect(await db('plain').insert({}).returning('id')).to.deep.equal([{ id: 1 }]);
    await close();
  });

  it('whose declaration and column type disagree is refused: the next value would be stored as plaintext', async () => {
    await install(empty.knex, { version: SCHEMA_VERSION });
    await empty.knex.schema.createTable('users', (t) => {
      t.increments('id');
      t.text('name').personal({ category: 'identity.name', protect: 'encrypt' });
      const retention = { from: { event: 'service_ended' }, keep: '6 months', then: 'erase' } as const;
      t.dataSubject('user', { purpose: 'provide the service', basis: 'contract', retention });
    });
    await empty.psql.query('alter table users alter column name type text using null');
    const error = await start();
    expect(error).to.include({ code: 'PROTECTION_LOST', table: 'users', column: 'name' });
    expectFix(error, /await annotate\(knex, 'users', \{ columns: \{ name: \{ …, protect: 'encrypt' \} \} \}\)/);
  });

  it('whose people got an id of another type by raw SQL is refused: one person could have two keys', async () => {
    await install(empty.knex, { version: SCHEMA_VERSION });
    await empty.knex.schema.createTable('users', (t) => {
      t.increments('id');
      const retention = { from: { event: 'service_ended' }, keep: '6 months', then: 'erase' } as const;
      t.dataSubject('user', { purpose: 'provide the service', basis: 'contract', retention });
    });
    await empty.psql.query('alter table users alter column id drop default, alter column id type numeric(6, 1)');
    const error = await start();
    expect(error).to.include({ code: 'SUBJECT_ID_TYPE', table: 'users', column: 'id' });
    expect(error.message).to.contain('type numeric(6,1) have several spellings');
    await empty.psql.query('alter table users rename column id to ids');
    const renamed = await start();
    expect(renamed).to.include({ code: 'NO_SUCH_COLUMN', table: 'users', column: 'id' });
    expectFix(renamed, /columns: \{ ids: /);
  });

  it('whose rows refer to people in another spelling is refused, and the fix mends it', async () => {
    await install(empty.knex, { version: SCHEMA_VERSION });
    const service = { purpose: 'provide the service', basis: 'contract' } as const;
    await empty.knex.schema.createTable('users', (t) => {
      t.string('id', 8).primary();
      const retention = { from: { event: 'service_ended' }, keep: '6 months', then: 'erase' } as const;
      t.dataSubject('user', { ...service, retention });
    });
    await empty.knex.schema.createTable('letters', (t) => {
      t.increments('id');
      t.specificType('user_id', 'char(8)').references('users.id');
      t.text('body').personal({ category: 'activity.content', protect: 'encrypt' });
      t.personalData(service);
    });
    const error = await start();
    expect(error).to.include({ code: 'SUBJECT_KEY_TYPE', table: 'letters', column: 'user_id' });
    expect(error.message).to.contain('character varying(8), as character(8)');
    expectFix(error, /^alter table letters alter column user_id type character varying\(8\)$/);
    await empty.psql.query(error.fix);
    const { db, close } = await oubli(empty.knex, { keys: localKeys({ file: keyFile }) });
    await db('users').insert({ id: 'ada' });
    await db('letters').insert({ user_id: 'ada', body: 'Dear Ada' });
    expect(await db('letters').pluck('body')).to.deep.equal(['Dear Ada']);
    await close();
  });
});

describe('After close()', () => {
  let world: World;
  before(async () => {
    world = await createWorld();
    await world.db('users').insert({ name: 'Ada', email: 'ada@example.org' });
  });
  after(() => world.end());

  const names = (db: Knex): Promise<string[]> => db('users').orderBy('id').pluck('name');

  it('oubli() protects the instance anew, which meanwhile refused what is personal', async () => {
    const { knex, close, db } = await world.another();
    await close();
    expect((await refusalOf(() => names(db))).code).to.equal('NOT_READY');
    const again = await oubli(knex, { keys: localKeys({ file: world.keyFile }) });
    expect(again.db).to.equal(knex);
    await again.db('users').insert({ name: 'Bob', email: 'bob@example.org' });
    const [stored] = await world.plain('users').orderBy('id', 'desc').limit(1);
    expect(stored.name.subarray(0, 3).toString('hex')).to.equal('a70b01');
    expect(await names(again.db)).to.deep.equal(['Ada', 'Bob']);
    await close(); // the first one's, a second time: the second one is not its business
    expect(await oubli(knex, { keys: localKeys({ file: world.keyFile }) })).to.equal(again);
    expect(await names(again.db)).to.deep.equal(['Ada', 'Bob']);
    await again.close();
  });

  it('and so it does after the pool was destroyed and made again', async () => {
    const { knex } = await world.another();
    await knex.destroy();
    knex.initialize();
    const again = await oubli(knex, { keys: localKeys({ file: world.keyFile }) });
    expect(await names(again.db)).to.include('Ada');
    await again.close();
  });

  it('K10: every key in memory is overwritten, and what a provider of your own keeps is left alone', async () => {
    const kept = await localKeys({ file: world.keyFile }).load();
    const { db, close } = await world.another({ keys: { name: 'a provider', load: async () => kept } });
    await db('users').where({ email: 'ada@example.org' });
    const { sealer, catalogue } = seamOf(db);
    const email = catalogue.named('users')[0]?.columns.get('email')?.element as Element;
    const searched = indexKey(sealer.place.engine, kept.index, email.id, 'email', 1);
    const gone = await overwrittenBy(close);
    for (const key of [...kept.epochs.values(), kept.index, kept.ledger, searched]) expect(gone).to.include(hex(key));
    for (const key of [...kept.epochs.values(), kept.index, kept.ledger]) {
      expect([...key]).not.to.deep.equal(Array(32).fill(0));
    }
  });

  it('what is still under way seals, finds and names nobody under keys of zeros', async () => {
    const { db, close } = await world.another();
    const { keys, sealer, catalogue } = seamOf(db);
    const email = catalogue.named('users')[0]?.columns.get('email')?.element as Element;
    await close();
    expect((await refusalOf(() => keys.referenceOf('user', '1'))).code).to.equal('KEY_UNUSABLE');
    expect((await refusalOf(() => sealer.index(email, 'ada@example.org', {}))).code).to.equal('KEY_UNUSABLE');
    expect((await refusalOf(() => keys.forSubjects('user', ['77']))).code).to.be.oneOf(['KEY_UNUSABLE', 'NOT_READY']);
  });

  it('K10: a read that was waiting for its keys leaves none behind', async () => {
    const { db, close } = await world.another();
    const { keys } = seamOf(db);
    const reading = names(db).catch((error: Error) => error);
    for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
    await close();
    await reading;
    const ids: Buffer[] = await world.plain('oubli.subject_key').pluck('key_id');
    expect(ids).not.to.have.length(0);
    expect(ids.map((id) => keys.cache.get(id))).to.deep.equal(ids.map(() => undefined));
  });
});
