/**
 * One erasure as one statement (ERASURE.md A1): a writable CTE with a branch per table, the destruction of the keys, their
 * fence, and the ledger row made of what the branches returned. All branches see one snapshot, so cycles, RESTRICT and
 * not-deferrable foreign keys work, and the counts cannot lie. Pure text; `apply.ts` runs it.
 */
import { type Catalogue, isPersonal, type Table } from '../catalogue/model';
import { joinChain } from '../catalogue/path-sql';
import { quoteIdentifier as q } from '../queryable';
import { anonymisingAssignments } from './anonymise';
import { dueCondition } from './due';
import type { Step } from './graph';
import type { Plan } from './plan';
import { rulesOf } from './rule';

/** Values sealed anew for rows that are kept: one array per column, in the order of `$n`. */
export interface ResealedTable {
  readonly table: Table;
  readonly columns: readonly string[];
}

/** $1 names of what leaves, $2 tag of each (a person's key id), $3 her keyed reference, $4 act, $5 because, $6 salt. */
const OWN_PARAMETERS = 6;

export function erasureStatement(catalogue: Catalogue, plan: Plan, resealed: readonly ResealedTable[]): string {
  const branches = plan.steps.map((step, place) => branch(catalogue, plan, step, `s${place}`));
  const counts = plan.steps.map((step, place) => count(step, place));
  return `
with root as materialized (
  select * from unnest($1::${rootType(plan)}[], $2::bytea[], $3::bytea[]) r(id, tag, reference)),
${[...branches, ...counts, ...resealedBranches(resealed), ...keyBranches(plan)].join(',\n')},
entry as (
  insert into oubli.ledger (act, key_id, because, details)
  select $4, ${plan.kind === undefined ? 'null' : 'r.tag'}, $5, jsonb_build_object(
    ${plan.kind === undefined ? `'rule', '${text(plan.root.sqlName)}'` : `'kind', '${text(plan.kind)}'`},
    'tables', jsonb_build_array(${plan.steps.map(detail).join(', ')}))
  from (select distinct tag from root) r
  ${plan.steps.map((_, place) => `left join c${place} on c${place}.tag = r.tag`).join('\n  ')}
  where $6::text is not null
  returning entry, at, key_id, because, details)
select * from entry order by entry`;
}

function branch(catalogue: Catalogue, plan: Plan, step: Step, name: string): string {
  const chain = joinChain(catalogue, 't', step.hops, plan.rootColumn);
  const from = [...chain.tables, 'root r'].join(', ');
  const where = [...chain.conditions, `${chain.root} = r.id`].join(' and ');
  const table = step.table.sqlName;
  switch (step.action) {
    case 'delete':
      return `${name} as (delete from ${table} t using ${from} where ${where} returning r.tag)`;
    case 'anonymise':
      return `${name} as (${anonymising(step.table, from, where)})`;
    case 'detach':
      return `${name} as (update ${table} t set ${detaching(step)} from ${from} where ${where} returning r.tag)`;
    case 'keep':
      return `${name} as (select r.tag, ${until(catalogue, step.table)} as until from ${table} t, ${from} where ${where})`;
  }
}

/** A table whose rows hold nothing personal beside their keys is left as it is, but counted. */
function anonymising(table: Table, from: string, where: string): string {
  const assignments = anonymisingAssignments(table, 't', '$6::text');
  if (![...table.columns.values()].some(isPersonal))
    return `select r.tag from ${table.sqlName} t, ${from} where ${where}`;
  return `update ${table.sqlName} t set ${assignments.join(', ')} from ${from} where ${where} returning r.tag`;
}

function detaching(step: Step): string {
  return (step.hops[0]?.columns ?? [])
    .filter((name) => step.table.columns.get(name)?.notNull === false)
    .map((name) => `${q(name)} = null`)
    .join(', ');
}

function until(catalogue: Catalogue, table: Table): string {
  const rule = rulesOf(catalogue).find((each) => each.table === table);
  return rule ? dueCondition(rule, 't').day : 'null::date';
}

function count(step: Step, place: number): string {
  const last = step.action === 'keep' ? ", nullif(max(coalesce(until, 'infinity')), 'infinity') as until" : '';
  return `c${place} as (select tag, count(*) as rows${last} from s${place} group by tag)`;
}

function detail(step: Step, place: number): string {
  const fields = [
    `'table', '${text(step.table.sqlName)}'`,
    `'action', '${step.action}'`,
    `'rows', coalesce(c${place}.rows, 0)`,
  ];
  if (step.because !== undefined) fields.push(`'because', '${text(step.because)}'`);
  if (step.action === 'keep') fields.push(`'until', c${place}.until`);
  return `jsonb_strip_nulls(jsonb_build_object(${fields.join(', ')}))`;
}

function resealedBranches(resealed: readonly ResealedTable[]): string[] {
  let parameter = OWN_PARAMETERS;
  return resealed.map(({ table, columns }, place) => {
    const arrays = ['tid', ...columns.map(() => 'bytea')].map((type) => `$${++parameter}::${type}[]`);
    const sets = columns.map((name, i) => `${q(name)} = v.c${i}`).join(', ');
    const names = ['at', ...columns.map((_, i) => `c${i}`)].join(', ');
    return `k${place} as (update ${table.sqlName} t set ${sets} from unnest(${arrays.join(', ')}) v(${names}) where t.ctid = v.at)`;
  });
}

/** The person's key is destroyed and its id refused for ever, in the same commit (ENVELOPE.md K4). */
function keyBranches({ kind, steps }: Plan): string[] {
  if (kind === undefined) return [];
  const stays = steps[0]?.action === 'anonymise';
  const mine = `l.kind = '${text(kind)}' and l.subject_id = r.id::text`;
  return [
    'destroyed as (delete from oubli.subject_key k using root r where k.key_id = r.tag returning k.key_id, k.fingerprint)',
    `fenced as (insert into oubli.fence (key_id, fingerprint, subject_reference, erased_at)
  select d.key_id, d.fingerprint, r.reference, oubli.now() from destroyed d join root r on r.tag = d.key_id)`,
    stays
      ? `unlinked as (update oubli.subject_link l set key_id = null, erased_at = oubli.now() from root r where ${mine})`
      : `unlinked as (delete from oubli.subject_link l using root r where ${mine})`,
    `ended as (delete from oubli.service_end l using root r where ${mine})`,
  ];
}

export function rootType(plan: Pick<Plan, 'root' | 'rootColumn'>): string {
  return plan.root.columns.get(plan.rootColumn)?.type ?? 'tid';
}

function text(name: string): string {
  return name.replaceAll("'", "''");
}
