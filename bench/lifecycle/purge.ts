/** The purge against DELETEs written by hand: the same rows, in batches, children first. */
import type { Knex } from 'knex';
import { type Measured, measure } from '../rounds';
import { type Estate, makeDue, ROWS_EACH, TABLES, WHOLE } from './estate';

const BATCH = 500;

/** Of a person's rows in each table, as one who knows the schema writes it. */
const MINE: Record<(typeof TABLES)[number], string> = {
  order_lines: 'delete from plain_order_lines l using plain_orders o where l.order_id = o.id and o.user_id = any(?)',
  orders: 'delete from plain_orders where user_id = any(?)',
  visits: 'delete from plain_visits where user_id = any(?)',
  logins: 'delete from plain_logins where user_id = any(?)',
  messages: 'delete from plain_messages where user_id = any(?)',
  users: 'delete from plain_users where id = any(?)',
};

export async function deleteByHand(plain: Knex, batch = BATCH): Promise<number> {
  const due = `select id from plain_users where left_on <= current_date - interval '6 months' order by left_on limit ${batch}`;
  for (let gone = 0; ; ) {
    const ids = ((await plain.raw(due)).rows as { id: number }[]).map(({ id }) => id);
    if (ids.length === 0) return gone;
    await plain.transaction(async (trx) => {
      for (const table of TABLES) await trx.raw(MINE[table], [ids]);
    });
    gone += ids.length;
  }
}

export async function measurePurge(estate: Estate, people: number, rounds: number): Promise<Measured> {
  const { plain, oubli } = estate;
  const taken: (readonly [number, number])[] = [];
  /** The same people on both sides. */
  const ofRound = (round: number): readonly [number, number] => {
    taken[round] ??= estate.take(people);
    return taken[round];
  };
  const mustBeAll = (gone: number): void => {
    if (gone !== people) throw new Error(`${gone} of ${people} people left`);
  };
  const measured = await measure({
    name: 'purge',
    title: `${people} people of ${ROWS_EACH} rows in ${TABLES.length} tables (rows a second, to DELETEs by hand)`,
    ...{ rounds, atMost: undefined },
    plain: {
      prepare: async (round) => makeDue(plain, 'plain_', ofRound(round)),
      run: async () => mustBeAll(await deleteByHand(plain)),
    },
    tried: {
      prepare: async (round) => makeDue(plain, '', ofRound(round)),
      run: async () => mustBeAll((await oubli.sweep({ rule: 'subject:user', ...WHOLE }))[0]?.gone ?? 0),
    },
  });
  return asSpeed(measured, 0.6);
}

/** Of rates instead of times: more is better. */
export function asSpeed(measured: Measured, atLeast: number): Measured {
  const [low, high] = measured.between;
  return { ...measured, atLeast, ratio: 1 / measured.ratio, between: [1 / high, 1 / low] };
}
