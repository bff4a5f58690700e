/**
 * What the library itself writes about restricted and erased people is its work, and the triggers that refuse such writes to
 * everybody else let it pass: a row names the transaction while the statement runs, and nobody else ever sees it.
 */
import type { Queryable, Row } from '../queryable';

export async function beginErrand(connection: Queryable): Promise<void> {
  await connection.query('insert into oubli.errand default values on conflict do nothing');
}

/** What other processes that listen on a channel hear when the transaction commits. */
export interface News {
  readonly channel: string;
  readonly messages: readonly string[];
}

/** A question of the same moment. */
export interface Question {
  /** @param parameter its place: `$1` */
  sql(parameter: string): string;
  readonly parameter: unknown;
}

const ENDED = 'with ended as (delete from oubli.errand where transaction = pg_catalog.pg_current_xact_id())';
const TOLD = 'select count(pg_notify($1, m.message)) as told from unnest($2::text[]) m(message)';

/** @param news goes along, for one round trip in all */
export async function endErrand(connection: Queryable, news?: News): Promise<void> {
  await connection.query(`${ENDED} ${TOLD}`, parametersOf(news));
}

/** The same with a question. @returns its rows */
export async function endErrandAsking(
  connection: Queryable,
  { sql, parameter }: Question,
  news?: News,
): Promise<Row[]> {
  // what is told must be told also where there is no answer
  const asked = `${ENDED} select a.* from (${TOLD}) t left join (select true as "isAnswer", q.* from (${sql('$3')}) q) a on true`;
  const { rows } = await connection.query(asked, [...parametersOf(news), parameter]);
  return rows.filter(({ isAnswer }) => isAnswer);
}

function parametersOf(news: News | undefined): unknown[] {
  return [news?.channel ?? '', news?.messages ?? []];
}
