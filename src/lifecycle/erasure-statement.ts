/**
 * One erasure as one statement (ERASURE.md A1): a writable CTE with a branch per table, the destruction of the keys, their
 * fence, and the ledger row made of what the branches returned. All branches see one snapshot, so cycles, RESTRICT and
 * not-deferrable foreign keys work, and the counts cannot lie. Pure text; `apply.ts` runs it.
 */
import type { Catalogue, Table } from '../catalogue/model';
import { quoteLiteral as literal, quoteIdentifier as q } from '../queryable';
import { treatmentOf } from './anonymise';
import { archiveBranches, archivedDetail, sealedBranches } from './archive/statement';
import { branches, isByName } from './branch';
import { loosened } from './hold-branches';
import { eventBranches } from './person-events';
import type { Plan } from './plan';
import { fromName } from './root';
import { sharedColumns } from './shared-rows';
import type { Step } from './step';

/** Values sealed anew for rows that are kept: one array per column, in the order of `$n`. */
export interface ResealedTable {
  readonly table: Table;
  readonly columns: readonly string[];
}

/**
 * $1 names of what leaves, $2 tag of each (a person's key id), $3 her keyed reference, $4 act, $5 because, $6 salt,
 * $7 the key of what is kept of her, $8 her fakes. Then what was sealed anew, and what was sealed for the archive.
 */
const OWN_PARAMETERS = 8;

export function erasureStatement(catalogue: Catalogue, plan: Plan, resealed: readonly ResealedTable[]): string {
  const steps = plan.steps.flatMap((step, place) => branches(catalogue, plan, step, `s${place}`));
  const counts = plan.steps.map((step, place) => count(plan, step, place));
  const ofWhat =
    plan.kind === undefined ? `'rule', ${literal(plan.root.displayName)}` : `'kind', ${literal(plan.kind)}`;
  const first = OWN_PARAMETERS + 1 + resealed.reduce((sum, { columns }) => sum + 2 + columns.length, 0);
  return `
with root as materialized (
  select w.tag, w.reference, w.retained, w.fakes, ${fromName(plan, 'w.name')}
  from unnest($1::text[], $2::bytea[], $3::bytea[], $7::bytea[], $8::jsonb[]) w(name, tag, reference, retained, fakes)),
${[...sealedBranches(plan, first), ...steps, ...counts, ...resealedBranches(resealed), ...keyBranches(catalogue, plan)].join(',\n')},
entry as (
  insert into oubli.ledger (act, key_id, because, details)
  select $4, ${plan.kind === undefined ? 'null' : 'r.tag'}, $5, jsonb_build_object(
    ${ofWhat},
    'tables', jsonb_build_array(${plan.steps.map(detail).join(', ')}))
  from (select distinct tag from root) r
  ${plan.steps.map((_, place) => `left join c${place} on c${place}.tag = r.tag`).join('\n  ')}
  where $6::text is not null
  returning entry, at, key_id, because, details, oubli.ledger_text(ledger) as text)${archiveBranches(plan)
    .map((branch) => `,\n${branch}`)
    .join('')}
select * from entry order by entry`;
}

function count(plan: Plan, step: Step, place: number): string {
  if (isByName(plan, step)) {
    const each = `select id, count(*) as rows from s${place} group by id`;
    return `c${place} as (select r.tag, sum(n.rows)::bigint as rows from (${each}) n join root r on r.id = n.id group by r.tag)`;
  }
  const last =
    step.action === 'keep' || step.action === 'archive'
      ? ", nullif(max(coalesce(until, 'infinity')), 'infinity') as until"
      : '';
  return `c${place} as (select tag, count(*) as rows${last} from s${place} group by tag)`;
}

function detail(step: Step, place: number): string {
  const fields = [
    `'table', ${literal(step.table.displayName)}`,
    `'action', '${step.action}'`,
    `'rows', coalesce(c${place}.rows, 0)`,
  ];
  if (step.because !== undefined) fields.push(`'because', ${literal(step.because)}`);
  if (step.action === 'keep') fields.push(`'until', c${place}.until`);
  fields.push(...archivedDetail(step, place));
  if (step.action === 'anonymise')
    fields.push(`'columns', ${literal(JSON.stringify(treatmentOf(step.table, sharedColumns(step))))}::jsonb`);
  const mayHaveNulls = step.action === 'keep' || step.action === 'archive';
  const line = `jsonb_build_object(${fields.join(', ')})`;
  return mayHaveNulls ? `jsonb_strip_nulls(${line})` : line;
}

/** Their rows are locked, so their places hold. */
function resealedBranches(resealed: readonly ResealedTable[]): string[] {
  let parameter = OWN_PARAMETERS;
  return resealed.map(({ table, columns }, place) => {
    const arrays = ['oid', 'tid', ...columns.map(() => 'bytea')].map((type) => `$${++parameter}::${type}[]`);
    const sets = columns.map((name, i) => `${q(name)} = v.c${i}`).join(', ');
    const names = ['part', 'at', ...columns.map((_, i) => `c${i}`)].join(', ');
    return `k${place} as (
  update ${table.sqlName} t set ${sets} from unnest(${arrays.join(', ')}) v(${names}) where t.tableoid = v.part and t.ctid = v.at)`;
  });
}

/** The person's key is destroyed and its id refused for ever, in the same commit (ENVELOPE.md K4). */
function keyBranches(catalogue: Catalogue, plan: Plan): string[] {
  const { kind, steps } = plan;
  if (kind === undefined) return [];
  const stays = steps[0]?.action === 'anonymise';
  const mine = `l.kind = ${literal(kind)} and l.subject_id = r.id::text`;
  return [
    'destroyed as (delete from oubli.subject_key k using root r where k.key_id = r.tag returning k.key_id, k.fingerprint)',
    `fenced as (insert into oubli.fence (key_id, fingerprint, subject_reference, erased_at)
  select d.key_id, d.fingerprint, r.reference, oubli.now() from destroyed d join root r on r.tag = d.key_id)`,
    stays
      ? `unlinked as (update oubli.subject_link l
  set key_id = null, erased_at = oubli.now(), retained_key_id = r.retained from root r where ${mine})`
      : `unlinked as (delete from oubli.subject_link l using root r where ${mine})`,
    ...eventBranches(catalogue, plan),
    ...loosened(mine),
  ];
}
