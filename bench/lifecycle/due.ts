/** Who is due, of ten million people: the question a sweep asks, against a range scan of the anchor's index for the same rows. */
import knexPackage from 'knex';
import { Client } from 'pg';
import { annotate, install, SCHEMA_VERSION } from '../../src';
import { loadCatalogue } from '../../src/catalogue/load';
import { DueRows } from '../../src/lifecycle/due-rows';
import { planErasure } from '../../src/lifecycle/plan';
import { rulesNamed } from '../../src/lifecycle/rule';
import { withOwnTypes } from '../../src/own-types';
import { createDatabase } from '../../test/support/postgres';
import { type Measured, measure } from '../rounds';

/** Of 10,000 one is due. */
const SHARE = 10_000;
/** A question takes a millisecond or two: many of them make a round. */
const ASKED = 20;
const BY_HAND = `select t.id from people t where t.left_on <= (current_date - interval '6 months')::date`;

export async function measureDue(server: string, people: number, rounds: number): Promise<Measured> {
  const database = await createDatabase(server);
  const client = new Client({ connectionString: database.url });
  try {
    await populate(database.url, people);
    await client.connect();
    const connection = withOwnTypes(client);
    const catalogue = await loadCatalogue(connection);
    const [rule] = rulesNamed(catalogue, 'subject:person');
    if (!rule) throw new Error('the rule of people is gone');
    const due = new DueRows(rule, planErasure(catalogue, rule.table), catalogue);
    const ask = async (question: string): Promise<void> => {
      for (let n = 0; n < ASKED; n++) {
        const { rows } = await client.query(question);
        if (rows.length !== people / SHARE) throw new Error(`${rows.length} are due`);
      }
    };
    await refuseSequentialScan(client, due.source());
    return await measure({
      name: 'due',
      title: `who is due, 1 of ${SHARE} of ${people} people (to an index range scan)`,
      ...{ rounds, atMost: 2 },
      plain: { run: () => ask(BY_HAND) },
      tried: { run: () => ask(`select t.id from ${due.source()}`) },
    });
  } finally {
    await client.end();
    await database.drop();
  }
}

/** One of ten thousand left long ago, three of ten within the last months, the others are still there. */
async function populate(url: string, people: number): Promise<void> {
  const knex = knexPackage({ client: 'pg', connection: url, pool: { min: 0, max: 1 } });
  await knex.raw('create table people (id int primary key, nickname text, left_on date)');
  await knex.raw(
    `insert into people select n, 'somebody', case when n % ${SHARE} = 0 then date '2020-01-01' + n % 365
      when n % 10 < 3 then current_date - n % 150 end from generate_series(1, ?::int) n`,
    [people],
  );
  await install(knex, { version: SCHEMA_VERSION });
  await annotate(knex, 'people', {
    subject: {
      kind: 'person',
      purpose: 'measure',
      basis: 'contract',
      retention: { from: 'left_on', keep: '6 months', then: 'erase' },
    },
    columns: {
      nickname: { category: 'contact.handle', protect: 'clear', because: 'shown on public pages' },
      left_on: { notPersonal: 'the event that starts the clock' },
    },
  });
  await knex.raw('vacuum analyze people');
  await knex.destroy();
}

async function refuseSequentialScan(client: Client, source: string): Promise<void> {
  const { rows } = await client.query(`explain select from ${source}`);
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
  if (/Seq Scan on (?!subject_link)/.test(plan)) throw new Error(`the whole table is read:\n${plan}`);
}
