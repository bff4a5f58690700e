/** What was to leave and is held, as the database keeps it: which rules to sweep again, and how many requests wait. */
import type { Queryable } from '../queryable';

/** What waits: rules to sweep again, and how many requests. */
export interface Redrive {
  readonly rules: readonly string[];
  readonly requests: number;
}

const WAITING = `
select to_jsonb(array(select distinct d.rule from oubli.deferred_sweep d
                      union select distinct 'subject:' || r.kind from oubli.deferred_request r order by 1)) as rules,
  (select count(*) from oubli.deferred_request) as requests`;

export async function deferredNow(connection: Queryable): Promise<Redrive> {
  const [row] = (await connection.query(WAITING)).rows as { rules: string[]; requests: string }[];
  return { rules: row?.rules ?? [], requests: Number(row?.requests) };
}

const FORGET_SWEEP = 'delete from oubli.deferred_sweep where rule = $1';
const DEFER_SWEEP = `
insert into oubli.deferred_sweep (rule, held_by, due) select $1, w.held_by, w.due from unnest($2::text[], $3::bigint[]) w(held_by, due)
on conflict (rule, held_by) do update set due = excluded.due, deferred_at = oubli.now()`;

/** What is due under a rule and stays because it is held, as the sweep found it at its end. */
export interface HeldBack {
  readonly because: string;
  readonly count: number;
}

export async function noteDeferred(connection: Queryable, rule: string, held: readonly HeldBack[]): Promise<void> {
  await connection.query(FORGET_SWEEP, [rule]);
  if (held.length === 0) return;
  await connection.query(DEFER_SWEEP, [rule, held.map(({ because }) => because), held.map(({ count }) => count)]);
}
