import { expect } from 'chai';
import { seamOf, sentDuring } from '../support/listening';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

describe('Transactions through the seam', () => {
  let world: World;
  before(async () => {
    world = await createWorld();
  });
  after(() => world.end());

  it('trap 3: what is written in a transaction and in a savepoint is sealed, and read there', async () => {
    const id = await world.db.transaction(async (trx) => {
      const [{ id }] = await trx('users').insert({ email: 'trx@example.org', name: 'outer' }).returning('id');
      await trx.transaction(async (savepoint) => {
        await savepoint('contracts').insert({ user_id: id, signatory: 'inner' });
        expect((await savepoint('users').where({ email: 'trx@example.org' }).first()).name).to.equal('outer');
      });
      expect(await trx('contracts').where({ user_id: id }).pluck('signatory')).to.deep.equal(['inner']);
      return id;
    });
    const [row] = await world.plain('contracts').where({ user_id: id });
    expect(row.signatory.subarray(0, 3).toString('hex')).to.equal('a70b01');
  });

  it('every way to a transaction is protected: provider, transacting, isolation levels, connection', async () => {
    const provider = world.db.transactionProvider();
    const provided = await provider();
    await provided('users').insert({ email: 'provider@example.org', name: 'P' });
    await provided.commit();
    await world.db.transaction(
      async (trx) => {
        await world.db('users').transacting(trx).insert({ email: 'transacting@example.org', name: 'T' });
        await world.db.raw('select * from users where email = ?', ['transacting@example.org']).transacting(trx);
      },
      { isolationLevel: 'serializable' },
    );
    const names = await world
      .db('users')
      .whereIn('email', ['provider@example.org', 'transacting@example.org'])
      .orderBy('id')
      .pluck('name');
    expect(names).to.deep.equal(['P', 'T']);
    for (const row of await world.plain('users').select('name')) {
      expect(row.name.subarray(0, 2).toString('hex')).to.equal('a70b');
    }
  });

  it('a transaction with one snapshot writes about new people, and about nobody who is erased meanwhile', async () => {
    const [{ id }] = await world.db('users').insert({ email: 'snapshot@example.org' }).returning('id');
    const trx = await world.db.transaction(undefined, { isolationLevel: 'repeatable read' });
    await trx('products').count();
    await trx('users').insert({ email: 'fresh@example.org', name: 'Fresh' });
    const [{ key_id }] = await world.plain('oubli.subject_link').where({ kind: 'user', subject_id: `${id}` });
    await world.plain('oubli.subject_key').where({ key_id }).del();
    expect((await failureOf(() => trx('users').where({ id }).update({ name: 'x' }))).code).to.equal('40001');
    await trx.rollback();
  });

  it('a rollback takes the rows back', async () => {
    await failureOf(() =>
      world.db.transaction(async (trx) => {
        await trx('users').insert({ email: 'rolled@example.org' });
        throw new Error('no');
      }),
    );
    expect(await world.db('users').where({ email: 'rolled@example.org' })).to.deep.equal([]);
  });

  it('statements started together in one transaction all arrive', async () => {
    await world.db.transaction(async (trx) => {
      const insert = (n: number): Promise<unknown> =>
        trx('users')
          .insert({ email: `together${n}@example.org`, name: `${n}` })
          .then();
      await Promise.all([1, 2, 3, 4, 5].map(insert));
    });
    const names = await world
      .db('users')
      .whereIn(
        'email',
        [1, 2, 3, 4, 5].map((n) => `together${n}@example.org`),
      )
      .pluck('name');
    expect(names.sort()).to.deep.equal(['1', '2', '3', '4', '5']);
  });

  it('an update of several people inside a transaction is part of it', async () => {
    await world.db('users').insert([
      { email: 'm1@example.org', locale: 'mm', name: 'x' },
      { email: 'm2@example.org', locale: 'mm', name: 'x' },
    ]);
    await failureOf(() =>
      world.db.transaction(async (trx) => {
        expect(await trx('users').where({ locale: 'mm' }).update({ name: 'y' })).to.equal(2);
        throw new Error('no');
      }),
    );
    expect(await world.db('users').where({ locale: 'mm' }).pluck('name')).to.deep.equal(['x', 'x']);
  });

  it('an update of several people does not commit a transaction that was begun by hand', async () => {
    const connection = await world.db.client.acquireConnection();
    try {
      await world.db.raw('begin').connection(connection);
      await world.db('users').connection(connection).where({ locale: 'mm' }).update({ name: 'z' });
      await world.db.raw('rollback').connection(connection);
    } finally {
      await world.db.client.releaseConnection(connection);
    }
    expect(await world.db('users').where({ locale: 'mm' }).pluck('name')).to.deep.equal(['x', 'x']);
  });

  it('after an error inside a transaction, its later statements fail as PostgreSQL says, and the pool is well', async () => {
    const error = await failureOf(() =>
      world.db.transaction(async (trx) => {
        await failureOf(() => trx('users').insert({ email: null }));
        await trx('users').insert({ email: 'late@example.org' });
      }),
    );
    expect(error.code).to.equal('25P02');
    await world.db('users').insert({ email: 'well@example.org' });
  });

  it('a query on a transaction that is over is refused as ever, before anything of it is sent', async () => {
    const trx = await world.db.transaction();
    await trx.commit();
    const sent = await sentDuring(world.db, async () => {
      const error = await failureOf(() => trx('users').where({ locale: 'mm' }).update({ name: 'late' }));
      expect(error.message).to.match(/already complete/);
    });
    expect(sent).to.deep.equal([]);
  });

  it('a commit does not make the catalogue be read again, unless the transaction changed the schema', async () => {
    await world.db('users').count();
    const before = seamOf(world.db).catalogue;
    await world.db.transaction((trx) => trx('users').count());
    await world.db('users').count();
    expect(seamOf(world.db).catalogue).to.equal(before);
    await world.db.transaction((trx) => trx.raw('comment on table products is null'));
    await world.db('users').count();
    expect(seamOf(world.db).catalogue).not.to.equal(before);
  });

  it('a table that a transaction declares is protected at once there, and forgotten with its rollback', async () => {
    const trx = await world.db.transaction();
    await trx.schema.createTable('letters', (t) => {
      t.increments('id');
      t.integer('user_id').references('users.id');
      t.text('body').personal({ category: 'activity.content', protect: 'encrypt' });
      t.personalData({ purpose: 'provide the service', basis: 'contract' });
    });
    const [{ id }] = await trx('users').select('id').limit(1);
    await trx('letters').insert({ user_id: id, body: 'dear' });
    expect(await trx('letters').pluck('body')).to.deep.equal(['dear']);
    // others load a catalogue without it meanwhile
    seamOf(world.db).schemaChanged();
    await world.db('users').count();
    expect(seamOf(world.db).catalogue.named('letters')).to.deep.equal([]);
    await trx('letters').insert({ user_id: id, body: 'again' });
    expect(await trx('letters').orderBy('id').pluck('body')).to.deep.equal(['dear', 'again']);
    await trx.rollback();
    await world.db('users').count();
    expect(seamOf(world.db).catalogue.named('letters')).to.deep.equal([]);
  });

  it('trap 30: migrations of one run see what the ones before them declared', async () => {
    const migrations = {
      first: {
        up: (knex: World['db']) =>
          knex.schema.createTable('cards', (t) => {
            t.increments('id');
            t.integer('user_id').references('users.id');
            t.text('holder').personal({ category: 'identity.name', protect: 'encrypt', search: 'exact' });
            t.personalData({ purpose: 'provide the service', basis: 'contract' });
          }),
        down: async () => undefined,
      },
      second: {
        up: async (knex: World['db']) => {
          const [{ id }] = await knex('users').select('id').limit(1);
          await knex('cards').insert({ user_id: id, holder: 'A. LOVELACE' });
        },
        down: async () => undefined,
      },
    };
    await world.db.migrate.latest({
      migrationSource: {
        getMigrations: async () => Object.keys(migrations),
        getMigrationName: (name: string) => name,
        getMigration: async (name: string) => migrations[name as keyof typeof migrations] as never,
      },
    });
    expect(await world.db('cards').where({ holder: 'A. LOVELACE' }).pluck('holder')).to.deep.equal(['A. LOVELACE']);
    const [card] = await world.plain('cards').select('holder');
    expect(card.holder.subarray(0, 2).toString('hex')).to.equal('a70b');
  });

  for (const ends of ['commit', 'rollback'] as const) {
    it(`sends nothing after the ${ends} that came while it was sealed, whoever has the connection by then`, async () => {
      const before = await world.plain('users').count();
      const holding = await world.plain.transaction();
      await holding.raw('lock table oubli.subject_link in share mode'); // nobody gets a key
      const trx = await world.db.transaction();
      const late = failureOf(() => trx('users').insert({ name: 'Late', email: 'late@example.org' }));
      const waits = `select from pg_locks where relation = 'oubli.subject_link'::regclass and not granted`;
      while ((await world.plain.raw(waits)).rows.length === 0);
      await trx[ends]();
      await holding.rollback();
      expect((await late).message).to.match(/Transaction query already complete|given up while it was being sealed/);
      expect(await world.plain('users').count()).to.deep.equal(before);
    });
  }

  it('sends nothing of what was given up while it was sealed, into nobody’s transaction', async () => {
    const { db, knex } = await world.another({ config: { pool: { min: 1, max: 1 } } });
    const holding = await world.plain.transaction();
    await holding.raw('lock table oubli.subject_link in share mode'); // nobody gets a key
    const before = await world.plain('users').count();
    const late = failureOf(() => db('users').insert({ email: 'given@example.org' }).timeout(50, { cancel: true }));
    expect((await late).name).to.equal('KnexTimeoutError');
    const stream = db('users').where({ email: 'given@example.org' }).stream();
    stream.destroy();
    const trx = await knex.transaction();
    await holding.rollback();
    expect((await db('users').insert({ email: 'other@example.org' }).transacting(trx).returning('id')).length).to.equal(
      1,
    );
    expect(await trx('users').where({ email: 'given@example.org' })).to.deep.equal([]);
    await trx.rollback();
    expect(await world.plain('users').count()).to.deep.equal(before);
  });
});
