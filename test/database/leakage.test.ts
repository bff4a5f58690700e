import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { install, SCHEMA_VERSION } from '../../src';
import { leaksOf, sayLeak } from '../../src/checks/leakage';
import { sayTokenLeak, tokenLeaksOf } from '../../src/checks/token-leakage';
import { COMPILED } from '../support/worker';
import { createWorld, type World } from '../support/world';

const SERVICE = { purpose: 'provide the service', basis: 'contract' } as const;

async function migrate(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('people', (t) => {
    t.increments('id');
    t.text('email').personal({ category: 'contact.email', protect: 'encrypt', search: 'email', unique: true });
    t.text('city').personal({ category: 'contact.city', protect: 'encrypt', search: 'unaccented' });
    t.text('name').personal({
      category: 'identity.name',
      protect: 'encrypt',
      search: { as: 'exact', with: { city: 'exact' } },
    });
    t.text('note').personal({ category: 'activity.content', protect: 'encrypt' });
    t.text('town').personal({
      category: 'contact.city',
      protect: 'encrypt',
      search: 'unaccented',
      tokens: { prefix: { min: 2, max: 4 }, words: true, as: 'unaccented' },
      acknowledgeLeak: 'looked up at the counter',
    });
    t.text('bio').personal({
      category: 'activity.content',
      protect: 'encrypt',
      tokens: { words: true, as: 'lowercase' },
      acknowledgeLeak: 'looked up at the counter',
    });
    t.date('ended_on').notPersonal('the event that starts the clock');
    t.dataSubject('person', { ...SERVICE, retention: { from: 'ended_on', keep: '6 months', then: 'erase' } });
  });
}

const ROWS = 400;

describe('I2 what a blind index gives away', () => {
  let world: World;
  before(async () => {
    world = await createWorld({ migrate });
    const rows = Array.from({ length: ROWS }, (_, i) => ({
      email: `user${i}@example.org`,
      city: i % 4 === 0 ? 'Lyon' : `C${i % 8}`,
      name: `N${i % 2}`,
      note: 'same',
      town: i % 4 === 0 ? 'Lyon' : `Town ${i}`,
      bio: `only${i}`,
    }));
    await world.db.batchInsert('people', rows, 200);
  });
  after(() => world.end());

  const said = async (): Promise<string[]> =>
    (await leaksOf({ query: (sql) => world.plain.raw(sql) as never })).map(sayLeak);
  const saidOfTokens = async (): Promise<string[]> =>
    (await tokenLeaksOf({ query: (sql) => world.plain.raw(sql) as never })).map(sayTokenLeak);

  it('is not known before PostgreSQL has counted', async () => {
    expect(await said()).to.deep.equal([
      'people.email: not known yet; analyze people',
      'people.city: not known yet; analyze people',
      'people.name: not known yet; analyze people',
      'people.town: not known yet; analyze people',
    ]);
    expect(await saidOfTokens()).to.deep.equal([
      'people.town, tokens: not known yet; analyze people',
      'people.bio, tokens: not known yet; analyze people',
    ]);
  });

  it('is what can be counted without a key, of searched columns only, and of a compound index the whole', async () => {
    await world.plain.raw('analyze people');
    expect(await said()).to.deep.equal([
      'people.email: about 400 values in 400 rows, none more frequent than the others',
      'people.city: about 7 values in 400 rows, the most frequent in 25 % of them',
      'people.name: about 7 values in 400 rows, the most frequent in 25 % of them',
      'people.town: about 301 values in 400 rows, the most frequent in 25 % of them',
    ]);
    // 'to', 'tow', 'town' and the word 'town' of 300; 'ly', 'lyo', 'lyon' and the word 'lyon' of 100
    expect(await saidOfTokens()).to.deep.equal([
      'people.town, tokens: 8 in 1 % or more of 400 rows, the most frequent in 75 % of them',
      'people.bio, tokens: 0 in 1 % or more of 400 rows, none more frequent than the others',
    ]);
    const { rows } = await world.plain.raw(
      `select count(*)::int as n from people group by substring(city::bytea, 9, 16) order by 1 desc`,
    );
    expect(rows.map(({ n }: { n: number }) => n)).to.deep.equal([100, 50, 50, 50, 50, 50, 50]);
  });

  it('is printed by oubli check', async () => {
    const main = path.join(__dirname, '..', '..', 'src', 'cli', 'main.ts');
    const { stdout } = await promisify(execFile)(process.execPath, [...COMPILED, main, 'check'], {
      env: { ...process.env, DATABASE_URL: world.url },
    });
    expect(stdout).to.contain('every column of every personal table is declared');
    expect(stdout).to.contain('people.city: about 7 values in 400 rows, the most frequent in 25 % of them');
    expect(stdout).to.contain('people.town, tokens: 8 in 1 % or more of 400 rows, the most frequent in 75 % of them');
  });
});
