/** A document of wrapped keys in a table: changed in one step, never overwritten, and silent about what it holds. */
import { inspect } from 'node:util';
import { expect } from 'chai';
import { Pool } from 'pg';
import { ConfigurationError, documentTable, KeyUnavailableError } from '../../../src';
import { createDatabase, type TestDatabase, testServerUrl } from '../../support/postgres';
import { expectFix, refusalOf } from '../../support/refusals';

describe('A document of wrapped keys in a table', () => {
  let database: TestDatabase;
  let pool: Pool;
  before(async () => {
    database = await createDatabase(testServerUrl());
    pool = new Pool({ connectionString: database.url, max: 4 });
  });
  after(async () => {
    await pool.end();
    await database.drop();
  });

  it('is missed with the statement that makes its table, which then holds one', async () => {
    const store = documentTable({ pool, table: 'Secrets.of Us' });
    await pool.query('create schema "Secrets"');
    const error = await refusalOf(() => store.read());
    expect(error).to.be.instanceOf(ConfigurationError).and.to.have.property('code', 'KEY_TABLE_MISSING');
    await pool.query(error.fix);
    expect((await refusalOf(() => store.read())).code).to.equal('WRAPPED_DOCUMENT_MISSING');
    await store.create('one');
    expect(await store.read()).to.equal('one');
    expect((await refusalOf(() => store.create('two'))).code).to.equal('WRAPPED_DOCUMENT_EXISTS');
    expect((await pool.query('select document from "Secrets"."of Us"')).rows).to.deep.equal([{ document: 'one' }]);
    await expectRefused(pool.query(`insert into "Secrets"."of Us" (document, one) values ('two', false)`));
  });

  it('loses no change of several that are made at once', async () => {
    const store = documentTable({ pool });
    await pool.query((await refusalOf(() => store.read())).fix);
    await store.create('');
    await Promise.all(['a', 'b', 'c', 'd'].map((letter) => store.change((text) => text + letter)));
    expect([...(await store.read())].sort().join('')).to.equal('abcd');
    expect(await store.change((text) => text)).to.have.length(4);
  });

  it('says so when others write all the time', async () => {
    const store = documentTable({ pool });
    const busy = {
      query: (sql: string, params?: unknown[]) =>
        sql.startsWith('update') ? Promise.resolve({ rows: [] }) : pool.query(sql, params),
    };
    const error = await refusalOf(() => documentTable({ pool: busy }).change(() => 'mine'));
    expect(error).to.be.instanceOf(KeyUnavailableError).and.to.have.property('code', 'KEY_TABLE_CONTENDED');
    expect(await store.read()).not.to.equal('mine');
  });

  it('is read by nobody without the privilege, and says which is needed', async () => {
    const client = await pool.connect();
    try {
      await client.query('create role oubli_reader_of_none; set role oubli_reader_of_none');
      const error = await refusalOf(() => documentTable({ pool: client }).change(() => 'a document'));
      expect(error).to.be.instanceOf(ConfigurationError).and.to.have.property('code', 'KEY_TABLE_REFUSED');
      expectFix(error, /^grant select, insert, update on "oubli_keys" to/, ['a document']);
    } finally {
      await client.query('reset role; drop role oubli_reader_of_none');
      client.release();
    }
  });

  it('can be had again when its database can', async () => {
    const none = new Pool({ connectionString: 'postgres://nobody@127.0.0.1:1/none' });
    for (const code of [undefined, '08006', '53300', '57P01', '55P03', '40001', '25006', 'ECONNREFUSED']) {
      const failing = { query: () => Promise.reject(Object.assign(new Error('of "the document"'), { code })) };
      const error = await refusalOf(() => documentTable({ pool: failing }).read());
      expect(error, code).to.be.instanceOf(KeyUnavailableError);
      expect(inspect(error)).not.to.contain('the document"');
    }
    expect(await refusalOf(() => documentTable({ pool: none }).read())).to.be.instanceOf(KeyUnavailableError);
    await none.end();
  });
});

async function expectRefused(query: Promise<unknown>): Promise<void> {
  expect(
    await query.then(
      () => 'done',
      () => 'refused',
    ),
  ).to.equal('refused');
}
