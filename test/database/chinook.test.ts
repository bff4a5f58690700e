/**
 * Real input: the Chinook store (59 customers, 8 employees, 412 invoices), declared on its existing tables with rows in
 * them, sealed, searched, half of it erased.
 */
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import knexPackage, { type Knex } from 'knex';
import {
  annotate,
  install,
  localKeys,
  type Oubli,
  oubli,
  type PersonalSpec,
  SCHEMA_VERSION,
  type SweepReport,
} from '../../src';
import { generateKeyFile } from '../../src/keyring/local-keys';
import { assertNothingLeft, findResidue, moveClock } from '../../src/testing';
import { createDatabase, testServerUrl } from '../support/postgres';
import { sharedData } from '../support/shared-data';

type Rows = Record<string, unknown>[];

const sealed = (category: string): PersonalSpec => ({ category, protect: 'encrypt' }) as PersonalSpec;
const searched = (category: string): PersonalSpec =>
  ({ category, protect: 'encrypt', search: 'email' }) as PersonalSpec;

const PERSON = {
  first_name: sealed('identity.name'),
  last_name: sealed('identity.name'),
  address: sealed('contact.address'),
  city: sealed('contact.address'),
  state: sealed('contact.address'),
  country: { notPersonal: 'a country of millions' },
  postal_code: sealed('contact.address'),
  phone: sealed('contact.phone'),
  fax: sealed('contact.phone'),
  email: searched('contact.email'),
} as const;

describe('The Chinook store', () => {
  let url: string;
  let drop: () => Promise<void>;
  let knex: Knex;
  let plain: Knex;
  let store: Oubli;
  let keyFile: string;
  const before_: Record<string, Rows> = {};
  const TABLES = {
    customer: 'customer_id',
    employee: 'employee_id',
    invoice: 'invoice_id',
    invoice_line: 'invoice_line_id',
  };

  before(async function () {
    this.timeout(60_000);
    const sql = readFileSync(sharedData(this, 'chinook.sql'), 'utf8');
    ({ url, drop } = await createDatabase(testServerUrl()));
    knex = knexPackage({ client: 'pg', connection: url });
    plain = knexPackage({ client: 'pg', connection: url });
    await plain.raw(sql.replaceAll('?', '\\?'));
    await plain.schema.alterTable('customer', (t) => t.date('left_on').index());
    await plain.schema.alterTable('employee', (t) => t.date('left_on').index());
    for (const [table, id] of Object.entries(TABLES)) before_[table] = await plain(table).orderBy(id);

    await install(plain, { version: SCHEMA_VERSION });
    await declare(plain);
    keyFile = path.join(tmpdir(), `oubli-chinook-${process.pid}.keys`);
    await generateKeyFile(keyFile);
    store = await oubli(knex, { keys: localKeys({ file: keyFile }) });
  });

  after(async () => {
    await store?.close();
    await knex?.destroy();
    await plain?.destroy();
    if (keyFile) await rm(keyFile);
    await drop?.();
  });

  it('reads as before while its rows still wait to be sealed', async () => {
    expect(await store.db('customer').orderBy('customer_id')).to.deep.equal(before_.customer);
    expect(await store.db('employee').orderBy('employee_id')).to.deep.equal(before_.employee);
  });

  it('refuses to search a column whose rows are not all sealed, instead of missing some', async () => {
    const error = await store
      .db('customer')
      .where({ email: 'x@example.org' })
      .then(
        () => undefined,
        (raised: Error & { code?: string }) => raised,
      );
    expect(error?.code).to.equal('IN_TRANSITION');
  });

  it('is sealed by the backfill, and PostgreSQL proves that no plaintext is left', async () => {
    expect(await store.backfill('customer')).to.deep.include({ table: 'customer', rows: 59 });
    expect(await store.backfill('employee')).to.deep.include({ table: 'employee', rows: 8 });
    expect(await store.backfill('invoice')).to.deep.include({ table: 'invoice', rows: 412 });
    const { rows } = await plain.raw(`select count(*) as open from pg_constraint c join pg_type t on t.oid = c.contypid
      where t.typnamespace = 'oubli'::regnamespace and not c.convalidated`);
    expect(rows[0].open).to.equal('0');
    await assertNothingLeft(plain, ['luisg@embraer.com.br', 'Gonçalves', 'Theodor-Heuss-Straße 34']);
  });

  it('reads back equal to the original, column by column', async () => {
    for (const [table, id] of Object.entries(TABLES)) {
      expect(await store.db(table).orderBy(id), table).to.deep.equal(before_[table]);
    }
  });

  it('finds a customer by e-mail, in another case, through the index', async () => {
    const found = await store.db('customer').where({ email: 'LuisG@Embraer.com.br' }).first();
    expect(found).to.include({ customer_id: 1, first_name: 'Luís', last_name: 'Gonçalves' });
    const { rows } = await store.db.raw('select email from customer where email = ?', ['luisg@embraer.com.br']);
    expect(rows).to.deep.equal([{ email: 'luisg@embraer.com.br' }]);
  });

  it('seals what is written from now on under the same rules', async () => {
    await store.db('customer').where({ customer_id: 2 }).update({ phone: '+49 0711 1' });
    const [row] = await plain('customer').where({ customer_id: 2 }).select('phone');
    expect(row.phone.subarray(0, 3).toString('hex')).to.equal('a70b01');
    await store.db('customer').where({ customer_id: 2 }).update({ phone: before_.customer?.[1]?.phone });
  });

  describe('when the service of half of its customers has ended', () => {
    let reports: SweepReport[];
    const leaving = (id: unknown): boolean => Number(id) % 2 === 1;

    before(async function () {
      this.timeout(60_000);
      for (const { customer_id } of before_.customer ?? []) {
        if (leaving(customer_id)) await store.subject('customer', Number(customer_id)).serviceEnded();
      }
      expect((await store.sweep()).map((report) => report.gone)).to.deep.equal([0, 0, 0]);
      await moveClock(plain, '6 months');
      reports = await store.sweep({ breaker: { people: 0.6 } });
    });

    it('erases them, and nobody else, on the day', async () => {
      expect(reports.find((report) => report.rule === 'subject:customer')).to.deep.include({ gone: 30, stillDue: 0 });
      const { rows } = await plain.raw(
        `select count(*) as n, count(distinct key_id) as people from oubli.ledger where act = 'erased'`,
      );
      expect(rows).to.deep.equal([{ n: '30', people: '30' }]);
    });

    it('leaves the other half untouched', async () => {
      const others = (before_.customer ?? []).filter((row) => !leaving(row.customer_id));
      expect(await store.db('customer').whereRaw('customer_id % 2 = 0').orderBy('customer_id')).to.deep.equal(others);
      expect(await store.db('employee').orderBy('employee_id')).to.deep.equal(before_.employee);
    });

    it('leaves all invoices with their amounts, lines and addresses, as the law asks', async () => {
      expect(await store.db('invoice').orderBy('invoice_id')).to.deep.equal(before_.invoice);
      expect(await store.db('invoice_line').orderBy('invoice_line_id')).to.deep.equal(before_.invoice_line);
    });

    it('leaves nothing of those who are gone', async () => {
      const gone = (before_.customer ?? []).filter((row) => leaving(row.customer_id));
      expect(
        await findResidue(
          plain,
          gone.map((row) => String(row.email)),
        ),
      ).to.deep.equal([]);
      for (const row of await store.db('customer').whereRaw('customer_id % 2 = 1')) {
        expect(row).to.include({ first_name: null, last_name: null, email: null, phone: null, company: null });
      }
    });
  });
});

async function declare(knex: Knex): Promise<void> {
  await annotate(knex, 'customer', {
    subject: {
      kind: 'customer',
      purpose: 'sell music',
      basis: 'contract',
      retention: { from: 'left_on', keep: '6 months', then: 'erase' },
    },
    columns: {
      ...PERSON,
      company: sealed('professional.employer'),
      left_on: { notPersonal: 'the event that starts the clock' },
    },
  });
  await annotate(knex, 'employee', {
    subject: {
      kind: 'employee',
      purpose: 'employ',
      basis: 'contract',
      retention: { from: 'left_on', keep: '5 years', then: 'erase', because: 'Code du travail D3243-4' },
    },
    columns: {
      ...PERSON,
      title: { notPersonal: 'a function, held by several' },
      birth_date: sealed('identity.birth_date'),
      hire_date: { notPersonal: 'a date of the company' },
      left_on: { notPersonal: 'the event that starts the clock' },
    },
  });
  await annotate(knex, 'invoice', {
    data: {
      purpose: 'invoicing',
      basis: 'legal_obligation',
      retention: { from: 'invoice_date', keep: '10 years', then: 'delete', because: 'Code de commerce L123-22' },
    },
    columns: {
      invoice_date: { notPersonal: 'the fiscal date' },
      billing_address: sealed('contact.address'),
      billing_city: sealed('contact.address'),
      billing_state: sealed('contact.address'),
      billing_country: { notPersonal: 'a country of millions' },
      billing_postal_code: sealed('contact.address'),
      total: { notPersonal: 'an amount' },
    },
  });
  await annotate(knex, 'invoice_line', {
    columns: { unit_price: { notPersonal: 'an amount' }, quantity: { notPersonal: 'a number of tracks' } },
  });
}
