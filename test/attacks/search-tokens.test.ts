/**
 * I2 I3 What search tokens give away to somebody who reads the database and has no key, and what is left of them after an erasure:
 * the two accounts of examples/searching.md and SECURITY.md, as they really are.
 */
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { faker } from '@faker-js/faker/locale/fr';
import { expect } from 'chai';
import knexPackage, { type Knex } from 'knex';
import { AnnotatingClient, install, localKeys, oubli, SCHEMA_VERSION } from '../../src';
import { generateKeyFile } from '../../src/keyring/local-keys';
import { type FreshServer, startPostgres } from '../support/postgres';
import { type Needle, scan } from '../support/scan';
import { createWorld, type World } from '../support/world';

async function migrate(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('people', (t) => {
    t.increments('id');
    for (const length of [2, 3]) {
      t.text(`name_${length}`).personal({
        category: 'identity.name',
        protect: 'encrypt',
        tokens: { prefix: { min: length, max: length }, as: 'lowercase' },
        acknowledgeLeak: 'to measure it',
      });
    }
    t.date('left_on').notPersonal('starts the clock');
    t.dataSubject('person', {
      purpose: 'tests',
      basis: 'contract',
      retention: { from: 'left_on', keep: '6 months', then: 'erase' },
    });
  });
}

describe('Somebody who reads the rows and knows how often names begin how', () => {
  const PEOPLE = 4000;
  let world: World;
  let names: string[];
  let known: string[];
  before(async function () {
    this.timeout(60_000);
    faker.seed(7);
    const draw = (): string[] => Array.from({ length: PEOPLE }, () => faker.person.lastName().toLowerCase());
    [known, names] = [draw(), draw()];
    world = await createWorld({ migrate });
    const rows = names.map((name, i) => ({ id: i + 1, name_2: name, name_3: name }));
    await world.db.batchInsert('people', rows, 1000);
  });
  after(() => world.end());

  /** The share of people of whom ranks alone tell how their names begin: the most frequent token is the most frequent beginning … */
  async function told(length: number): Promise<number> {
    const { rows } = await world.plain.raw(
      `select token::text, array_agg(id) as ids from people, unnest(oubli.search_tokens(??::bytea)) token group by token
       order by count(*) desc, token`,
      [`name_${length}`],
    );
    const frequencies = new Map<string, number>();
    for (const name of known) {
      const beginning = name.slice(0, length);
      frequencies.set(beginning, (frequencies.get(beginning) ?? 0) + 1);
    }
    const guesses = [...frequencies].sort(([, a], [, b]) => b - a).map(([beginning]) => beginning);
    const right = (rows as { ids: number[] }[]).map(({ ids }, rank) =>
      guesses[rank] !== undefined && names[(ids[0] as number) - 1]?.startsWith(guesses[rank]) ? ids.length : 0,
    );
    return right.reduce((sum, n) => sum + n, 0) / PEOPLE;
  }

  it('is told the first two letters of many, and the first three of some', async () => {
    const [two, three] = [await told(2), await told(3)];
    expect(two, `${two} of two letters`).to.be.within(0.12, 0.25);
    expect(three, `${three} of three letters`).to.be.within(0.02, 0.08);
  });
});

describe('Somebody with the disk after an erasure', function () {
  this.timeout(60_000);
  let server: FreshServer;
  let folder: string;
  let knex: Knex;
  before(async () => {
    server = await startPostgres({ fresh: true });
    folder = mkdtempSync(path.join(tmpdir(), 'oubli-tokens-'));
    await generateKeyFile(path.join(folder, 'oubli.keys'));
    const migrator = knexPackage({ client: AnnotatingClient, connection: server.url, pool: { min: 0, max: 1 } });
    await migrator.transaction((trx) => migrate(trx));
    await migrator.destroy();
    knex = knexPackage({ client: 'pg', connection: server.url, pool: { min: 0, max: 3 } });
  });
  after(async () => {
    await knex?.destroy();
    await server?.stop();
    if (folder) await rm(folder, { recursive: true });
  });

  it('finds no row with her tokens, but the tokens themselves in the index, until it is built anew', async () => {
    const { db, subject, unprotected, close } = await oubli(knex, {
      keys: localKeys({ file: path.join(folder, 'oubli.keys') }),
    });
    await db('people').insert(Array.from({ length: 50 }, (_, i) => ({ id: i + 1, name_2: `Person ${i}` })));
    await db('people').insert({ id: 99, name_2: 'Zimmermann' });
    const raw = unprotected();
    const { rows } = await raw.raw(
      `select unnest(oubli.search_tokens(name_2::bytea))::text as token from people where id = 99`,
    );
    expect(rows).to.have.length(1);
    const token = Buffer.alloc(8);
    token.writeBigInt64LE(BigInt(rows[0].token)); // as the index has it: an int8 of this machine
    const inIndex = async (): Promise<boolean> => {
      await raw.raw('checkpoint');
      const { rows: files } = await raw.raw(`select pg_relation_filepath('people_name_2_tokens') as file`);
      const needle: Needle = { name: 'her token', form: 'int8', bytes: token };
      return (await scan([path.join(server.dataDirectory, files[0].file)], [needle])).hits.length > 0;
    };
    await raw.raw('vacuum people');
    expect(await inIndex(), 'before the erasure').to.equal(true);

    await subject('person', 99).erase({ because: 'a request' });
    expect(await db('people').whereILike('name_2', 'zi%')).to.deep.equal([]);
    await raw.raw('vacuum people');
    // PostgreSQL never removes a key from a GIN index, only the rows it leads to (src/backend/access/gin/README)
    expect(await inIndex(), 'after it').to.equal(true);
    await raw.raw('reindex index people_name_2_tokens');
    expect(await inIndex(), 'after the index was built anew').to.equal(false);
    await close();
  });
});
