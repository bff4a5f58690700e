/**
 * One person with 100 rows in 10 tables, erased on request; beside it, the same rows deleted by hand in a transaction. In a database of
 * those tables, with all the guests of the measurement in them: the residue probe reads every column of text there is, once.
 */
import type { Knex } from 'knex';
import type { Oubli } from '../../src';
import { type Measured, quantile } from '../rounds';
import { open } from './estate';

const CHILDREN = 9;
const ROWS_EACH = 11;
/** Untimed, at the beginning, as everywhere: they warm caches and the just-in-time compiler. */
const WARMING = 20;

export async function measureEraseOne(server: string, rounds: number): Promise<Measured> {
  const { oubli, plain, end } = await open(server, declareGuests);
  try {
    for (let id = 1; id <= WARMING + rounds; id++) await addGuest(oubli, plain, id);
    await plain.raw('vacuum analyze');
    return await measured(oubli, plain, rounds);
  } finally {
    await end();
  }
}

async function measured(oubli: Oubli, plain: Knex, rounds: number): Promise<Measured> {
  const tried: number[] = [];
  const byHand: number[] = [];
  for (let id = 1; id <= WARMING + rounds; id++) {
    const began = performance.now();
    await oubli.subject('guest', id).erase({ because: 'measured' });
    const between = performance.now();
    await deleteByHand(plain, id);
    if (id <= WARMING) continue;
    tried.push(between - began);
    byHand.push(performance.now() - between);
  }
  const ratios = tried.map((ms, round) => ms / (byHand[round] ?? ms));
  return {
    name: 'erase-one',
    title: `p99 of one person's erasure, ${1 + CHILDREN * ROWS_EACH} rows in ${1 + CHILDREN} tables (to DELETEs by hand)`,
    ...{ rounds, atMost: undefined, atMostMs: 50, ratio: quantile(ratios, 0.5) },
    between: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
    plainMs: quantile(byHand, 0.99),
    triedMs: quantile(tried, 0.99),
  };
}

export async function declareGuests(knex: Knex): Promise<void> {
  await knex.schema.createTable('guests', (t) => {
    t.integer('id').primary();
    t.text('name').personal({ category: 'identity.name', protect: 'encrypt' });
    t.date('left_on').index().notPersonal('the event that starts the clock');
    t.dataSubject('guest', {
      purpose: 'measure',
      basis: 'contract',
      retention: { from: 'left_on', keep: '6 months', then: 'erase' },
    });
  });
  await knex.raw('create table plain_guests (id int primary key, name bytea, left_on date)');
  for (let child = 1; child <= CHILDREN; child++) {
    await knex.schema.createTable(`stays_${child}`, (t) => {
      t.increments('id');
      t.integer('guest_id').notNullable().references('guests.id').index();
      t.text('note').personal({ category: 'activity.content', protect: 'encrypt' });
      t.personalData({ purpose: 'measure', basis: 'contract' });
    });
    await knex.raw(
      `create table plain_stays_${child} (id serial primary key, guest_id int not null references plain_guests, note bytea)`,
    );
    await knex.raw(`create index on plain_stays_${child} (guest_id)`);
  }
}

/** The same bytes on both sides. */
export async function addGuest({ db }: Oubli, plain: Knex, id: number): Promise<void> {
  await db('guests').insert({ id, name: `Guest ${id}` });
  await plain.raw('insert into plain_guests select id, name::bytea, left_on from guests where id = ?', [id]);
  for (let child = 1; child <= CHILDREN; child++) {
    await db(`stays_${child}`).insert(
      Array.from({ length: ROWS_EACH }, (_, n) => ({ guest_id: id, note: `Note ${n}` })),
    );
    await plain.raw(
      `insert into plain_stays_${child} select id, guest_id, note::bytea from stays_${child} where guest_id = ?`,
      [id],
    );
  }
}

async function deleteByHand(plain: Knex, id: number): Promise<void> {
  await plain.transaction(async (trx) => {
    for (let child = 1; child <= CHILDREN; child++) {
      await trx.raw(`delete from plain_stays_${child} where guest_id = ?`, [id]);
    }
    await trx.raw('delete from plain_guests where id = ?', [id]);
  });
}
