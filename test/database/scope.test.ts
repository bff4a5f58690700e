/** Decrypt scopes: what one unit of work may open, what happens beyond it, and what the ledger says of it. */
import { once } from 'node:events';
import { Writable } from 'node:stream';
import { expect } from 'chai';
import { Model } from 'objection';
import { type Oubli, ScopeExceededError } from '../../src';
import { seamOf, sentDuring } from '../support/listening';
import { addPerson, type Person } from '../support/people';
import { failureOf, refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

describe('A decrypt scope', () => {
  let world: World;
  let ada: Person;
  let bob: Person;
  let cyd: Person;
  let purposes = 0;
  /** One of its own for each test: of one purpose the ledger has an entry a minute. */
  const purpose = (): string => `purpose ${++purposes}`;
  before(async () => {
    world = await createWorld();
    [ada, bob, cyd] = [await addPerson(world.db, 1), await addPerson(world.db, 2), await addPerson(world.db, 3)];
  });
  after(() => world.end());

  const her = (person: Person) => world.subject('user', person.id);
  const exceeded = async (call: () => unknown): Promise<ScopeExceededError> => {
    const error = await failureOf(call);
    expect(error, error.stack).to.be.instanceOf(ScopeExceededError);
    return error as ScopeExceededError;
  };
  const entriesOf = (because: string) => world.plain('oubli.ledger').where({ act: 'scope exceeded', because });
  const keyOf = async ({ id }: Person): Promise<string> => {
    const [link] = await world.plain('oubli.subject_link').where({ kind: 'user', subject_id: String(id) });
    return link.key_id.toString('hex');
  };

  describe('of named people', () => {
    it('opens theirs, and of a result with others in it nothing', async () => {
      const limits = { purpose: purpose(), subjects: [her(ada), her(cyd)] };
      const mine = world.scope(limits);
      expect(await mine('users').whereIn('id', [ada.id, cyd.id]).orderBy('id').pluck('name')).to.deep.equal([
        ada.name,
        cyd.name,
      ]);
      const error = await exceeded(() => mine('users').select('name'));
      expect(error).to.include({ code: 'SCOPE_EXCEEDED', purpose: limits.purpose, named: 3, foreign: 1 });
      for (const { name, email } of [ada, bob, cyd])
        expect(`${error.stack} ${error.fix}`).not.to.match(new RegExp(`${name}|${email}`));
    });

    it('fetches no key of a foreigner', async () => {
      const other = await world.another();
      const mine = other.scope({ purpose: purpose(), subjects: [other.subject('user', ada.id)] });
      await exceeded(() => mine('users').select('name'));
      const { keys } = seamOf(other.db);
      for (const each of [ada, bob]) expect(keys.cache.get(Buffer.from(await keyOf(each), 'hex'))).to.equal(undefined);
    });

    it('knows a person by the id as PostgreSQL writes it, and a new one as soon as there is one', async () => {
      const mine = world.scope({
        purpose: purpose(),
        subjects: [world.subject('user', ` 0${ada.id}`), world.subject('user', 901)],
      });
      expect(await mine('users').where({ id: ada.id }).pluck('name')).to.deep.equal([ada.name]);
      const returned = await mine('users').insert({ id: 901, name: 'New', email: 'new@example.org' }).returning('name');
      expect(returned).to.deep.equal([{ name: 'New' }]);
      await world.db('users').where({ id: 901 }).delete();
    });

    it('opens nothing for nobody', async () => {
      const mine = world.scope({ purpose: purpose(), subjects: [] });
      expect(await mine('users').where({ id: ada.id }).pluck('locale')).to.deep.equal(['fr']);
      expect(await exceeded(() => mine('users').where({ id: ada.id }).pluck('name'))).to.include({ foreign: 1 });
    });

    it('writes about others all the same, and says so where what was written is not shown', async () => {
      const mine = world.scope({ purpose: purpose(), subjects: [her(ada)] });
      await mine('users').where({ id: bob.id }).update({ name: 'Robert' });
      const error = await exceeded(() =>
        mine('users').where({ id: bob.id }).update({ name: bob.name }).returning('name'),
      );
      expect(error.message).to.include('the statement itself was carried out');
      expect(await world.db('users').where({ id: bob.id }).pluck('name')).to.deep.equal([bob.name]);
    });

    it('lets an export of one of them pass, and no other', async () => {
      const readAll = async (person: Person): Promise<void> => {
        for await (const _ of await her(person).export({ profile: 'portability' }));
      };
      await world.scope({ purpose: purpose(), subjects: [her(ada)] }, async () => {
        await readAll(ada);
        await exceeded(() => readAll(bob));
      });
    });

    it('opens what the law keeps of one of them after her erasure, while her row stands', async () => {
      const gone = await addPerson(world.db, 50);
      await her(gone).erase({ because: 'request' });
      const mine = world.scope({ purpose: purpose(), subjects: [her(gone)] });
      expect(await mine('invoices').where({ user_id: gone.id }).pluck('billing_address')).not.to.include(null);
      const others = world.scope({ purpose: purpose(), subjects: [her(ada)] });
      await exceeded(() => others('invoices').where({ user_id: gone.id }).pluck('billing_address'));
      await world.db('invoices').where({ user_id: gone.id }).delete();
    });
  });

  describe('of so many people', () => {
    it('counts over all its statements, each person once, and a refused result not at all', async () => {
      const mine = world.scope({ purpose: purpose(), max: 2 });
      const name = (person: Person) => mine('users').where({ id: person.id }).pluck('name');
      await name(ada);
      await name(ada);
      await exceeded(() => mine('users').pluck('name'));
      expect(await name(bob)).to.deep.equal([bob.name]);
      expect(await exceeded(() => name(cyd))).to.include({ named: 1, foreign: 0 });
      expect(await name(ada)).to.deep.equal([ada.name]);
    });

    it('gives the last place to one of two results that come at once', async () => {
      const mine = world.scope({ purpose: purpose(), max: 1 });
      const both = await Promise.allSettled([ada, bob].map(({ id }) => mine('users').where({ id }).pluck('name')));
      expect(both.map(({ status }) => status).sort()).to.deep.equal(['fulfilled', 'rejected']);
    });

    it('counts what orderByDecrypted reads, not what it gives', async () => {
      const mine = world.scope({ purpose: purpose(), max: 1 });
      await exceeded(() => mine('users').orderByDecrypted('name', { cap: 10 }).limit(1));
    });

    it('stops a stream before the rows beyond it, however it is read, and gives the connection back', async () => {
      const rows = Array.from({ length: 250 }, (_, i) => ({ id: 2000 + i, name: `S${i}`, email: `s${i}@example.org` }));
      await world.db.batchInsert('users', rows);
      const mine = world.scope({ purpose: purpose(), max: 120 });
      const seen: string[] = [];
      const all = () => mine('users').where('id', '>=', 2000).orderBy('id').select('name');
      await exceeded(async () => {
        for await (const { name } of all().stream()) seen.push(name);
      });
      expect(seen.length).to.be.lessThanOrEqual(120);
      const sink = new Writable({ objectMode: true, write: (_row, _encoding, done) => done() });
      const [heard] = await new Promise<unknown[]>((resolve) => {
        void all().stream((stream) => stream.on('error', (...raised: unknown[]) => resolve(raised)).pipe(sink));
      });
      expect(heard).to.be.instanceOf(ScopeExceededError);
      const failing = all().stream();
      const [error] = await once(failing.resume(), 'error').catch((raised: unknown) => [raised]);
      expect(error).to.be.instanceOf(ScopeExceededError);
      await world.db('users').where('id', '>=', 2000).delete();
      expect(internals(world).pool.numUsed()).to.equal(0);
    });
  });

  describe('around work', () => {
    it('limits every handle, transactions that began before, models, and a builder that is only returned', async () => {
      class User extends Model {
        static override tableName = 'users';
      }
      const trx = await world.db.transaction();
      const limits = { purpose: purpose(), subjects: [her(ada)] };
      await world.scope(limits, async () => {
        await exceeded(() => world.db('users').pluck('name'));
        await exceeded(() => world.db.raw('select name from users'));
        await exceeded(() => trx('users').pluck('name'));
        await exceeded(() => world.db.transaction((inner) => inner('users').pluck('name')));
        await exceeded(() => User.query(world.db));
        expect(await User.query(world.db).findById(ada.id)).to.include({ name: ada.name });
        const called = new Promise((resolve) => world.db('users').pluck('name').asCallback(resolve));
        expect(await called).to.be.instanceOf(ScopeExceededError);
      });
      await trx.rollback();
      await exceeded(() => world.scope(limits, () => world.db('users').pluck('name')));
      expect(await world.db('users').whereIn('id', [ada.id, bob.id]).pluck('name')).to.have.length(2);
    });

    it('is narrowed by a scope within it, and never widened', async () => {
      await world.scope({ purpose: purpose(), subjects: [her(ada), her(bob)] }, async () => {
        const wider = world.scope({ purpose: purpose(), max: 100 });
        await exceeded(() => wider('users').pluck('name'));
        const narrower = world.scope({ purpose: purpose(), subjects: [her(bob), her(cyd)] });
        expect(await narrower('users').where({ id: bob.id }).pluck('name')).to.deep.equal([bob.name]);
        await exceeded(() => narrower('users').where({ id: ada.id }).pluck('name'));
        await exceeded(() => narrower('users').where({ id: cyd.id }).pluck('name'));
      });
    });

    it('limits a handle of it wherever that is used afterwards', async () => {
      const escaped = await world.scope({ purpose: purpose(), subjects: [her(ada)] }, () => [
        world.scope({ purpose: purpose(), max: 9 }),
      ]);
      await exceeded(() => escaped[0]?.('users').pluck('name'));
    });
  });

  describe('as a handle', () => {
    it('limits its transactions, their savepoints, sub-queries, batches and Objection', async () => {
      class User extends Model {
        static override tableName = 'users';
      }
      const mine = world.scope({ purpose: purpose(), subjects: [her(ada)] });
      await mine.transaction(async (trx) => {
        expect(await trx('users').where({ id: ada.id }).pluck('name')).to.deep.equal([ada.name]);
        await trx.transaction(async (savepoint) => {
          await exceeded(() => savepoint('users').pluck('name'));
        });
        await exceeded(() => world.db('users').transacting(trx).pluck('name'));
      });
      await exceeded(() => mine.select('name').from(world.db('users').as('u')));
      await exceeded(() => User.query(mine));
      await exceeded(() => mine.withUserParams({ tenant: 1 })('users').pluck('name'));
    });

    it('is heard by the listeners of the instance', async () => {
      const mine = world.scope({ purpose: purpose(), subjects: [her(ada)] });
      const own: string[] = [];
      mine.on('query', ({ sql }) => own.push(sql));
      const sent = await sentDuring(world.db, () =>
        mine.transaction((trx) => trx('users').where({ id: ada.id }).pluck('name')),
      );
      expect(sent).to.deep.equal(own).and.to.have.length(3);
    });

    it('refuses a transaction in which it would not be limited', async () => {
      const mine = world.scope({ purpose: purpose(), subjects: [her(ada)] });
      await world.db.transaction(async (trx) => {
        expect(await refusalOf(async () => mine('users').transacting(trx))).to.include({ code: 'FOREIGN_SCOPE' });
        expect(await refusalOf(async () => mine.raw('select 1').transacting(trx))).to.include({
          code: 'FOREIGN_SCOPE',
        });
      });
    });
  });

  describe('of an instance', () => {
    let strict: Oubli;
    let closed: Oubli;
    before(async () => {
      strict = await world.another({ scope: { max: 2 } });
      closed = await world.another({ scope: { max: 0 } });
    });

    it('limits each statement outside of a scope, and none within', async () => {
      expect(await strict.db('users').whereIn('id', [ada.id, bob.id]).pluck('name')).to.have.length(2);
      expect(await strict.db('users').where({ id: cyd.id }).pluck('name')).to.deep.equal([cyd.name]);
      expect(await exceeded(() => strict.db('users').pluck('name'))).to.include({ purpose: undefined, named: 3 });
      const three = strict.scope({ purpose: purpose(), max: 3 });
      expect(await three('users').pluck('name')).to.include.members([ada.name, bob.name, cyd.name]);
    });

    it('opens nothing outside of scopes where it says so', async () => {
      await exceeded(() => closed.db('users').where({ id: ada.id }).pluck('name'));
      await exceeded(async () => {
        for await (const _ of await closed.subject('user', ada.id).export({ profile: 'portability' }));
      });
      const limits = { purpose: purpose(), subjects: [closed.subject('user', ada.id)] };
      expect(await closed.scope(limits, () => closed.db('users').where({ id: ada.id }).pluck('name'))).to.deep.equal([
        ada.name,
      ]);
    });
  });

  describe('in the ledger', () => {
    it('stands once, however often it is exceeded: purpose, counts and key ids, although the caller rolls back', async () => {
      const limits = { purpose: purpose(), subjects: [her(ada)] };
      const mine = world.scope(limits);
      const back = mine.transaction(async (trx) => {
        await trx('users').where({ id: ada.id }).pluck('name');
        for (let i = 0; i < 3; i++) await exceeded(() => trx('users').where({ id: bob.id }).pluck('name'));
        throw new Error('back');
      });
      expect(await failureOf(() => back)).to.include({ message: 'back' });
      const entries = await entriesOf(limits.purpose);
      expect(entries).to.have.length(1);
      expect(entries[0].key_id).to.equal(null);
      expect(entries[0].details).to.deep.equal({
        subjects: 1,
        opened: 1,
        named: 1,
        foreign: 1,
        keys: [await keyOf(bob)],
      });
      expect(await world.verifyLedger()).to.deep.include({ broken: [] });
    });

    it('of one purpose stands once a minute, and the next entry says how many more there were', async () => {
      const limits = { purpose: purpose(), max: 0 };
      for (let i = 0; i < 4; i++) await exceeded(() => world.scope(limits)('users').pluck('name'));
      expect(await entriesOf(limits.purpose)).to.have.length(1);
    });

    it('is written with the only place of the pool in use', async () => {
      const small = await world.another({ config: { pool: { min: 0, max: 1 }, acquireConnectionTimeout: 2000 } });
      const limits = { purpose: purpose(), max: 0 };
      await small.scope(limits).transaction(async (trx) => {
        const error = await exceeded(() => trx('users').pluck('name'));
        expect(error.cause).to.equal(undefined);
      });
      expect(await entriesOf(limits.purpose)).to.have.length(1);
    });

    it('is missing where the caller keeps it locked: refused all the same, and the error says so', async function () {
      this.timeout(10_000);
      const limits = { purpose: purpose(), max: 0 };
      const mine = world.scope(limits);
      await mine.transaction(async (trx) => {
        await trx.raw('select from oubli.ledger_head for update');
        const error = await exceeded(() => trx('users').pluck('name'));
        expect(error.message).to.include('the ledger could not be told: 55P03');
        expect(error.cause).to.include({ code: '55P03' });
      });
    });
  });

  describe('that limits nothing sensible', () => {
    const wrong: readonly (readonly [string, unknown, string])[] = [
      ['nothing at all', { purpose: 'x' }, 'SCOPE_UNLIMITED'],
      ['no purpose', { max: 1 }, 'BAD_SCOPE'],
      ['an endless purpose', { purpose: 'x'.repeat(201), max: 1 }, 'BAD_SCOPE'],
      ['a negative number', { purpose: 'x', max: -1 }, 'BAD_SCOPE'],
      ['no number', { purpose: 'x', max: Number.NaN }, 'BAD_SCOPE'],
      ['a person by her bare id', { purpose: 'x', subjects: [42] }, 'BAD_SCOPE'],
      ['a kind that there is not', { purpose: 'x', subjects: [{ kind: 'usr', id: 1 }] }, 'UNKNOWN_KIND'],
      ['a misspelt option', { purpose: 'x', subject: [], max: 1 }, 'SCOPE_UNKNOWN_OPTION'],
    ];
    for (const [what, limits, code] of wrong) {
      it(`is refused: ${what}`, async () => {
        expect(await refusalOf(async () => world.scope(limits as never))).to.include({ code });
      });
    }

    it('is refused as a default, too', async () => {
      expect(await refusalOf(() => world.another({ scope: { max: -1 } }))).to.include({ code: 'BAD_SCOPE' });
    });
  });
});

function internals({ db }: World): { pool: { numUsed(): number } } {
  return db.client as { pool: { numUsed(): number } };
}
