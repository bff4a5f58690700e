import { expect } from 'chai';
import type { Knex } from 'knex';
import { annotate, install, SCHEMA_VERSION } from '../../src';
import { loadCatalogue } from '../../src/catalogue/load';
import { countStatement } from '../../src/lifecycle/figures';
import { createWorld, type World } from '../support/world';

const serve = { purpose: 'serve', basis: 'contract' } as const;

async function migrate(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.raw(`create table patients (id int primary key, name text not null, born date, postcode text, ward text, ended_on date);
    create index patients_quasi on patients (born, postcode);
    create table bills (id int primary key, patient_id int not null references patients, issued_on date);
    create index on bills (patient_id)`);
  await annotate(knex, 'patients', {
    subject: { kind: 'patient', ...serve, retention: { from: 'ended_on', keep: '6 months', then: 'erase' } },
    columns: {
      name: { category: 'identity.name', protect: 'encrypt' },
      born: {
        category: 'identity.birth_date',
        protect: 'clear',
        because: 'statistics',
        anonymise: { to: 'year' },
        quasiIdentifier: true,
      },
      postcode: { notPersonal: 'a district of thousands', quasiIdentifier: true },
      ward: { notPersonal: 'where somebody lay', sensitive: true },
      ended_on: { notPersonal: 'starts the clock' },
    },
  });
  await annotate(knex, 'bills', {
    data: {
      purpose: 'invoicing',
      basis: 'legal_obligation',
      retention: { from: 'issued_on', keep: '10 years', then: 'delete', because: 'Code de commerce L123-22' },
    },
    columns: { issued_on: { notPersonal: 'the fiscal date' } },
  });
}

describe('A7: k, l and unique combinations of what stays', () => {
  let world: World;
  before(async () => {
    world = await createWorld({ migrate, oubli: { anonymity: { k: 3 } } });
    const people = Array.from({ length: 12 }, (_, i) => ({
      id: i + 1,
      name: `Name ${i}`,
      born: `1980-0${(i % 9) + 1}-15`,
      postcode: i === 11 ? null : '75011',
      ward: i < 2 ? 'A' : 'B',
    }));
    await world.db('patients').insert(people);
    await world.db('bills').insert(people.map(({ id }) => ({ id, patient_id: id, issued_on: '2025-01-01' })));
  });
  after(() => world.end());

  const erase = (id: number) => world.subject('patient', id).erase({ because: 'a test' });

  it('A7: has not passed for the first who is anonymised: nobody is there to be taken for her', async () => {
    const { measured } = await erase(1);
    expect(measured).to.deep.equal([
      {
        table: 'patients',
        quasiIdentifiers: ['born', 'postcode'],
        sensitive: 'ward',
        before: { k: 2, l: 2, unique: 0, combinations: 1 },
        after: { k: 1, l: 1, unique: 1, combinations: 1 },
        tests: 'not passed',
      },
    ]);
  });

  it('A7: counts who is anonymised only, and needs several values of what is sensitive', async () => {
    await erase(2);
    const third = await erase(3);
    expect(third.measured?.[0]).to.deep.include({ after: { k: 3, l: 2, unique: 0, combinations: 1 }, tests: 'passed' });
    await world.plain('patients').where({ id: 3 }).update({ ward: 'A' });
    await world.plain('patients').where({ id: 4 }).update({ ward: 'A' });
    const fourth = await erase(4);
    expect(fourth.measured?.[0]).to.deep.include({
      after: { k: 4, l: 1, unique: 0, combinations: 1 },
      tests: 'not passed',
    });
  });

  it('A7: tells a NULL from a value in a combination', async () => {
    const { measured } = await erase(12);
    expect(measured?.[0]?.before).to.deep.include({ k: 1, unique: 1 });
    expect(measured?.[0]?.after).to.deep.include({ k: 1, unique: 1 });
  });

  it('A7: measures the combinations of a whole chunk at once, in one entry of the ledger that is found by each receipt', async () => {
    await world.plain('patients').whereIn('id', [5, 6, 7]).update({ ended_on: '2020-01-01' });
    await world.sweep({ chunk: 3 });
    const [first, second, third] = await world.receipts({ limit: 3 });
    expect(first?.measured?.[0]).to.deep.include({
      after: { k: 7, l: 2, unique: 0, combinations: 1 },
      tests: 'passed',
    });
    expect([second?.measured, third?.measured]).to.deep.equal([first?.measured, first?.measured]);
    const examined = await world.plain('oubli.ledger').where({ act: 'examined' }).orderBy('entry', 'desc').first();
    expect(examined.details.entries).to.have.members([first, second, third].map((receipt) => receipt?.entry));
  });

  it('A7: looks each combination up in the index over the quasi-identifiers, whatever the size of the table', async () => {
    await world.plain.raw(`insert into patients (id, name, born, postcode) select n, p.name, date '1900-01-01' + n % 30000, (n % 100)::text
      from generate_series(100, 50000) n, (select name from patients where id = 1) p`);
    await world.plain.raw('analyze patients');
    const [table] = (await loadCatalogue({ query: async (sql) => world.plain.raw(sql) })).named('patients');
    const columns = ['born', 'postcode'].map((name) => table!.columns.get(name)!);
    for (const pattern of ['11', '10']) {
      const sql = countStatement({ table: table!, columns, sensitive: undefined }, pattern).replaceAll(/\$(\d)/g, '?');
      const { rows } = await world.plain.raw(`explain ${sql}`, [['1950-01-01'], ['7']]);
      const plan = rows.map((row: Record<string, string>) => row['QUERY PLAN']).join('\n');
      expect(plan).to.contain('patients_quasi').and.not.to.contain('Seq Scan');
    }
  });

  it('A7: has not passed where a large table has no such index: nothing is measured, and the statement that makes it is said', async () => {
    await world.plain.raw(
      `drop index patients_quasi; update pg_class set reltuples = 1e6 where oid = 'patients'::regclass`,
    );
    const { measured } = await erase(8);
    expect(measured).to.deep.equal([
      {
        table: 'patients',
        quasiIdentifiers: ['born', 'postcode'],
        sensitive: 'ward',
        tests: 'not passed',
        why: 'it has many rows and no index: create index concurrently on public.patients ("born", "postcode")',
      },
    ]);
  });
});
