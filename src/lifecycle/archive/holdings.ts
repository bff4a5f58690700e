/** What archives hold, as the archives count it: tables, rows, dates. To know that needs no reason, for it tells of nobody. */
import type { Row } from '../../queryable';
import type { Engine } from '../engine';
import { asArchiveError, inStore, type Store, storesOf } from './places';

export interface Holding {
  /** Its schema; `oubli.archive_outbox` for what is still on its way to another database. */
  readonly archive: string;
  readonly elsewhere: boolean;
  readonly table: string;
  readonly rows: number;
  /** When the first and the last of them end. */
  readonly firstEnd: Date;
  readonly lastEnd: Date;
}

const WAITING = `
select source, count(*)::text as rows, min(until) as first_end, max(until) as last_end from oubli.archive_outbox
group by source order by source`;

export async function listArchives({ archives, database }: Engine): Promise<Holding[]> {
  const waiting = await database.transaction((connection) => connection.query(WAITING));
  const holdings = waiting.rows.map((row) => holding(row, 'oubli.archive_outbox', false));
  for (const store of await storesOf(archives)) holdings.push(...(await heldBy(store)));
  return holdings;
}

async function heldBy(store: Store): Promise<Holding[]> {
  const held = `select source, rows::text as rows, first_end, last_end from ${inStore(store, 'holdings()')}`;
  const { rows } = await store.database
    .transaction((connection) => connection.query(held))
    .catch((error: unknown) => {
      throw store.elsewhere ? asArchiveError(error, store.schema) : error;
    });
  return rows.map((row) => holding(row, store.schema, store.elsewhere));
}

function holding(row: Row, archive: string, elsewhere: boolean): Holding {
  return {
    archive,
    elsewhere,
    table: String(row.source),
    rows: Number(row.rows),
    firstEnd: row.first_end as Date,
    lastEnd: row.last_end as Date,
  };
}
