import { once } from 'node:events';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { expect } from 'chai';
import { keyQueries } from '../support/listening';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

const ROWS = 1050;

describe('Streams through the seam', () => {
  let world: World;
  before(async () => {
    world = await createWorld({ config: { pool: { min: 0, max: 1 }, acquireConnectionTimeout: 3000 } });
    const rows = Array.from({ length: ROWS }, (_, i) => ({ email: `s${i}@example.org`, name: `N${i}` }));
    await world.db.batchInsert('users', rows, 1000);
  });
  after(() => world.end());

  const free = (): Promise<unknown> => world.db('users').count();

  it('for await gives every row, opened, in order', async () => {
    const names: string[] = [];
    for await (const row of world.db('users').orderBy('id').stream()) names.push(row.name);
    expect(names).to.deep.equal(Array.from({ length: ROWS }, (_, i) => `N${i}`));
    await free();
  });

  it('trap 11: a cold cache does not deadlock with the cursor, and costs one key query per hundred rows', async () => {
    const other = await world.another({ config: { pool: { min: 0, max: 1 }, acquireConnectionTimeout: 3000 } });
    const queries = await keyQueries(other.db, async () => {
      for await (const row of other.db('users').stream()) expect(row.name).to.match(/^N/);
    });
    expect(queries).to.equal(Math.ceil(ROWS / 100));
  });

  it('trap 12: breaking off gives the connection back', async () => {
    for (let i = 0; i < 3; i++) {
      for await (const row of world.db('users').stream()) {
        expect(row.name).to.match(/^N/);
        break;
      }
      await free();
    }
  });

  it('trap 12: a slow reader is not overrun: keys are fetched no faster than rows are taken', async () => {
    const other = await world.another();
    let taken = 0;
    const queries = await keyQueries(other.db, async () => {
      const slow = new Writable({
        objectMode: true,
        highWaterMark: 1,
        write: (_row, _encoding, done) => {
          taken++;
          if (taken < 150) setImmediate(done);
        },
      });
      const rows = other.db('users').stream();
      rows.pipe(slow);
      while (taken < 150) await new Promise((resolve) => setTimeout(resolve, 10));
      await new Promise((resolve) => setTimeout(resolve, 100));
      rows.destroy();
    });
    expect(queries).to.be.lessThan(ROWS / 100 - 2);
  });

  it('trap 19: stream(handler) resolves when the rows were delivered', async () => {
    let count = 0;
    await world.db('users').stream((stream) => {
      stream.on('data', () => count++);
    });
    expect(count).to.equal(ROWS);
    await free();
  });

  it('pipe, raw and transactions stream too, and a search finds', async () => {
    const rows: { name: string }[] = [];
    const sink = (): Writable =>
      new Writable({
        objectMode: true,
        write: (row, _encoding, done) => {
          rows.push(row);
          done();
        },
      });
    await pipeline(world.db('users').where({ email: 'S7@example.org' }).stream(), sink());
    await pipeline(world.db.raw('select name from users where email = ?', ['s8@example.org']).stream(), sink());
    await world.db.transaction((trx) => pipeline(trx('users').where({ email: 's9@example.org' }).stream(), sink()));
    expect(rows.map((row) => row.name)).to.deep.equal(['N7', 'N8', 'N9']);
  });

  it('a refused query raises on the stream, once, and nothing is sent', async () => {
    const errors: Error[] = [];
    const stream = world.db('users').where('email', 'like', 'x').stream();
    stream.on('error', (error) => errors.push(error));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(errors.map((error) => (error as { code?: string }).code)).to.deep.equal(['OPERATOR']);
    await free();
  });

  it('an error of the database comes once, without the row it quotes', async () => {
    const errors: (Error & { detail?: string; code?: string })[] = [];
    const insert = world
      .db('users')
      .insert({ id: 1, email: 's1@example.org', nickname: 'canary' })
      .returning('*')
      .stream();
    insert.on('error', (error) => errors.push(error));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(errors).to.have.length(1);
    expect(errors[0]?.code).to.equal('23505');
    expect(errors[0]?.detail).to.equal(undefined);
    await free();
  });

  it('a value that was tampered with ends the stream with its error, and the connection goes back', async () => {
    const [row] = await world.plain('users').orderBy('id').limit(1);
    const broken = Buffer.from(row.name);
    broken[broken.length - 1] = (broken.at(-1) as number) ^ 1;
    await world.plain('users').where({ id: row.id }).update({ name: broken });
    const error = await failureOf(async () => {
      for await (const each of world.db('users').orderBy('id').stream()) expect(each.id).to.be.greaterThan(row.id);
    });
    expect(error.code).to.equal('SEALED_VALUE_TAMPERED');
    await free();
    await world.plain('users').where({ id: row.id }).update({ name: row.name });
  });

  it('destroying a stream before it began, or in its midst, gives the connection back', async () => {
    const early = world.db('users').stream();
    early.on('error', () => undefined);
    early.destroy();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const midst = world.db('users').stream();
    await once(midst, 'data');
    midst.destroy();
    await free();
  });
});
