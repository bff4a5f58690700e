/**
 * Whether everybody is either as she was, or erased with all that belongs to it: rows, key, fence, link and one receipt.
 * Read from an untouched connection. What is neither is a person half erased.
 */
import type { Knex } from 'knex';

export interface Wholeness {
  readonly untouched: number;
  readonly erased: number;
  /** People of whom something was done and something not. */
  readonly between: number[];
}

const STATES = `
select u.id,
  (select count(*) from contracts c where c.user_id = u.id)::int as contracts,
  (select count(*) from notes n join contracts c on c.id = n.contract_id where c.user_id = u.id)::int as notes,
  (select count(*) from visits v where v.user_id = u.id)::int as visits,
  u.name is not null as named,
  oubli.key_id(u.email::bytea) is not null as addressed,
  l.key_id is not null as linked,
  l.erased_at is not null as marked,
  exists (select from oubli.subject_key k where k.key_id = l.key_id) as "hasKey",
  (select count(*) from oubli.ledger e join oubli.fence f on f.key_id = e.key_id
   where e.act = 'erased' and e.at = l.erased_at and f.erased_at = l.erased_at)::int as receipts,
  (select bool_and(case when l.key_id is not null then oubli.key_id(i.billing_address::bytea) = l.key_id
     else oubli.key_id(i.billing_address::bytea) = l.retained_key_id end) from invoices i where i.user_id = u.id) as kept
from users u join oubli.subject_link l on l.kind = 'user' and l.subject_id = u.id::text order by u.id`;

const UNTOUCHED = { contracts: 1, notes: 1, visits: 2, named: true, addressed: true, linked: true, marked: false };
const ERASED = { contracts: 0, notes: 0, visits: 0, named: false, addressed: false, linked: false, marked: true };

export async function wholenessOf(plain: Knex): Promise<Wholeness> {
  const { rows } = await plain.raw(STATES);
  const is = (row: Record<string, unknown>, state: Record<string, unknown>): boolean =>
    row.kept === true && Object.entries(state).every(([name, value]) => row[name] === value);
  const untouched = rows.filter((row: never) => is(row, { ...UNTOUCHED, hasKey: true, receipts: 0 }));
  const erased = rows.filter((row: { receipts: number }) => is(row as never, ERASED) && row.receipts > 0);
  const whole = new Set([...untouched, ...erased].map(({ id }) => id));
  return {
    untouched: untouched.length,
    erased: erased.length,
    between: rows.map(({ id }: { id: number }) => id).filter((id: number) => !whole.has(id)),
  };
}

/** Exactly one receipt a person, whoever wrote it. */
export async function receiptsPerPerson(plain: Knex): Promise<{ entries: number; people: number }> {
  const { rows } = await plain.raw(
    `select count(*)::int as entries, count(distinct key_id)::int as people from oubli.ledger where act = 'erased'`,
  );
  return rows[0];
}
