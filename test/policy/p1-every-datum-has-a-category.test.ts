/**
 * P1. Every personal datum belongs to a known category: identity, Client data, activity, navigation, usage counters
 * (articles 1.1 to 1.3 of the policy).
 */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { expect } from 'chai';
import { CATEGORIES, CATEGORY_KEYS, type CategoryKey } from '../../src/catalogue/categories';
import { loadCatalogue } from '../../src/catalogue/load';
import { isPersonal } from '../../src/catalogue/model';
import { isFideslangKey, isPdTerm } from '../../src/catalogue/own-category';
import { GROUPS } from '../../src/catalogue/vocabulary';
import { undeclaredColumns } from '../../src/checks/declarations';
import { createEmpty, type EmptyDatabase } from '../support/empty';
import { expectFix, refusalOf } from '../support/refusals';
import { COMPILED } from '../support/worker';
import { migrateWorld } from '../support/world';

/** What the policy promises to hold, word by word, and under which category it is declared. */
const PROMISED: Readonly<Record<string, CategoryKey>> = {
  'identity: name': 'identity.name',
  'identity: e-mail': 'contact.email',
  'identity: telephone': 'contact.phone',
  'identity: postal address': 'contact.address',
  'client: representatives': 'client.representative',
  'client: customers': 'client.customer',
  'client: suppliers': 'client.supplier',
  'activity: content': 'activity.content',
  'activity: messages': 'activity.message',
  'activity: actions': 'activity.event',
  'navigation: anonymised IP address': 'connection.ip',
  'navigation: browser': 'navigation.browser',
  'navigation: duration of a visit': 'navigation.duration',
  'navigation: operating system': 'navigation.os',
  'navigation: language': 'navigation.language',
  'navigation: pages seen': 'navigation.page',
  'usage: counters': 'usage.counter',
};

describe('P1: every personal datum belongs to a known category', () => {
  let empty: EmptyDatabase;
  before(async () => {
    empty = await createEmpty();
    await empty.knex.transaction((trx) => migrateWorld(trx));
  });
  after(() => empty.end());

  for (const [promise, category] of Object.entries(PROMISED)) {
    it(`${promise} is covered by a category`, () => {
      expect(CATEGORIES[category].group).to.equal(promise.split(':')[0]);
    });
  }

  it('the five groups of the policy are named in words that can be read', () => {
    for (const group of ['identity', 'client', 'activity', 'navigation', 'usage'] as const) {
      expect(GROUPS[group]).to.match(/^[A-Z][a-z]+/);
      expect(CATEGORY_KEYS.some((key) => CATEGORIES[key].group === group)).to.equal(true);
    }
  });

  it('every category has a place in both public taxonomies, fideslang and W3C DPV', () => {
    for (const key of CATEGORY_KEYS) {
      expect(isFideslangKey(CATEGORIES[key].fideslang), key).to.equal(true);
      expect(isPdTerm(CATEGORIES[key].dpv), key).to.equal(true);
    }
  });

  it('there is no category for the rest: what fits nowhere must be named and mapped', () => {
    const vague = CATEGORY_KEYS.filter((key) => /other|misc|various|general|unknown/.test(key));
    expect(vague).to.deep.equal([]);
  });

  it('a datum of an unknown category cannot be declared, and nothing is created', async () => {
    for (const category of ['loyalty', 'contact', 'identity.', 'IDENTITY.NAME', 'other', '']) {
      const error = await refusalOf(() =>
        empty.knex.schema.createTable('refused', (t) => {
          t.text('x').personal({ category, protect: 'encrypt' } as never);
        }),
      );
      expect(error.code).to.be.oneOf(['UNKNOWN_CATEGORY', 'MISSING_OPTION']);
      expectFix(error, /category: '/);
    }
    expect(await empty.rows(`select to_regclass('refused')::text as there`)).to.deep.equal([{ there: null }]);
  });

  it('every personal column of the service has a category that an auditor can look up', async () => {
    const catalogue = await loadCatalogue(empty.psql);
    const personal = catalogue.tables.flatMap((table) => [...table.columns.values()].filter(isPersonal));
    expect(personal.length).to.be.greaterThan(8);
    for (const { spec } of personal) {
      const { category } = spec as { category: CategoryKey };
      expect(CATEGORIES[category].label).to.be.a('string');
    }
  });

  it('the database itself says it, in the comment of each column', async () => {
    const said = await empty.rows(`select a.attname as column, col_description(a.attrelid, a.attnum) as comment
      from pg_attribute a where a.attrelid = 'users'::regclass and a.attnum > 0 order by a.attnum`);
    expect(Object.fromEntries(said.map((row) => [row.column, row.comment]))).to.include({
      name: '[oubli] category=identity.name origin=provided protect=encrypt',
      email: '[oubli] category=contact.email origin=provided protect=encrypt search=email',
      last_ip: '[oubli] category=connection.ip origin=observed protect=truncate-ip',
      nickname: '[oubli] because=shown on public pages category=contact.handle origin=provided protect=clear',
      locale: '[oubli] not personal: a language tag singles nobody out',
    });
  });

  describe('a column about which nobody said anything', () => {
    const findings = async () => undeclaredColumns(await loadCatalogue(empty.psql));

    /** Within a transaction that is taken back. */
    async function findingsAfter(sql: string) {
      await empty.psql.query('begin');
      try {
        await empty.psql.query(sql);
        return await findings();
      } finally {
        await empty.psql.query('rollback');
      }
    }

    it('does not exist in the service as it is: keys and declared columns are all there is', async () => {
      expect(await findings()).to.deep.equal([]);
    });

    it('is a finding as soon as it stands in a table of persons', async () => {
      const [found, ...others] = await findingsAfter('alter table users add column shoe_size integer');
      expect(others).to.deep.equal([]);
      expect(found).to.include({ check: 'declarations', table: 'users', column: 'shoe_size' });
      expect(found?.says).to.equal(
        'users.shoe_size (integer) stands in a personal table, and nobody said whether it is personal',
      );
      expect(found?.fix).to.contain(
        `await annotate(knex, 'users', { columns: { shoe_size: { notPersonal: 'say why' } } })`,
      );
    });

    it('is a finding in a table that holds data about persons, also in a schema of its own', async () => {
      const found = await findingsAfter(
        'alter table invoices add column remark text; alter table notes add column "due on" date',
      );
      expect(found.map(({ table, column }) => `${table}.${column}`)).to.have.members([
        'invoices.remark',
        'notes.due on',
      ]);
      expect(found.find(({ table }) => table === 'notes')?.fix).to.contain(`'due on': { notPersonal`);
      const moved = await findingsAfter(
        'create schema billing; alter table invoices set schema billing; alter table billing.invoices add x text',
      );
      expect(moved.map(({ table, column }) => `${table}.${column}`)).to.deep.equal(['billing.invoices.x']);
    });

    it('is a finding whose fix can be pasted, also for names in mixed case', async () => {
      const [found] = await findingsAfter(
        'alter table users rename to "Users"; alter table "Users" add column "shoeSize" text',
      );
      expect(found?.fix).to.match(/^await annotate\(knex, 'Users', \{ columns: \{ shoeSize: /);
    });

    it('is a finding when it was renamed behind the declarations', async () => {
      const found = await findingsAfter('alter table users rename column nickname to handle');
      expect(found.map(({ column }) => column)).to.deep.equal(['handle']);
    });

    it('is none in a table that holds nothing personal', async () => {
      expect(await findingsAfter('alter table products add column weight integer')).to.deep.equal([]);
    });

    it('is none when it is part of a key: it says which row, not what about it', async () => {
      expect(
        await findingsAfter('alter table contracts add column product_id integer references products'),
      ).to.deep.equal([]);
    });

    it('is reported by `oubli check`, which then fails, and passes when all is declared', async function () {
      this.timeout(30_000);
      const sound = await check(empty.url);
      expect(sound).to.deep.equal({
        code: 0,
        stdout: [
          'what search shows to whoever reads the database:',
          '  users.email: not known yet; analyze users',
          'every column of every personal table is declared\n',
        ].join('\n'),
        stderr: '',
      });
      await empty.psql.query('alter table users add column shoe_size integer');
      const unsound = await check(empty.url);
      await empty.psql.query('alter table users drop column shoe_size');
      expect(unsound.code).to.equal(1);
      expect(unsound.stdout).to.match(
        /^users\.shoe_size \(integer\) stands in a personal table.*\n {2}fix: await annotate/m,
      );
      expect(unsound.stdout).to.match(/1 to declare\n$/);
    });
  });
});

function check(url: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const repository = path.join(__dirname, '../..');
  const args = [...COMPILED, 'src/cli/main.ts', 'check', '--url', url];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: repository }, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });
}
