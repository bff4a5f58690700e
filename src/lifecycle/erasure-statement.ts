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
  const ofWhat =
    plan.kind === undefined ? `'rule', ${literal(plan.root.displayName)}` : `'kind', ${literal(plan.kind)}`;
  const first = OWN_PARAMETERS + 1 + resealed.reduce((sum, { columns }) => sum + 2 + columns.length, 0);
  return `
with root as materialized (
  select w.tag, w.reference, w.retained, w.fakes, ${fromName(plan, 'w.name')}
  from unnest($1::text[], $2::bytea[], $3::bytea[], $7::bytea[], $8::jsonb[]) w(name, tag, reference, retained, fakes)),
${[...sealedBranches(plan, first), ...steps, ...resealedBranches(resealed), ...keyBranches(catalogue, plan)].join(',\n')},
counted as (${plan.steps.map((step, place) => count(plan, step, place)).join('\n  union all ')}),
line (place, said) as (values ${plan.steps.map(line).join(', ')}),
entry as (
  insert into oubli.ledger (act, key_id, because, details)
  select $4, ${plan.kind === undefined ? 'null' : 'r.tag'}, $5, jsonb_build_object(
    ${ofWhat},
    'tables', jsonb_agg(l.said || jsonb_build_object('rows', coalesce(c.rows, 0)) || coalesce(c.last, '{}') order by l.place))
  from (select distinct tag from root) r cross join line l left join counted c on c.tag = r.tag and c.place = l.place
  where $6::text is not null group by r.tag
  returning entry, at, key_id, because, details, oubli.ledger_text(ledger) as text)${archiveBranches(plan)
    .map((branch) => `,\n${branch}`)
    .join('')}${plan.kind === undefined ? '' : EARLIER_NAMES}
select * from entry${plan.kind === undefined ? '' : ' union all select * from earlier'} order by entry`;
}

/** What the act is under which a replay finds her in a backup from before her key was replaced. */
export const ERASED_EARLIER = 'erased as';
/** The ledger has named her by other keys, too. */
const EARLIER_NAMES = `,
earlier as (
  insert into oubli.ledger (act, key_id, because, details)
  select '${ERASED_EARLIER}', n.key_id, $5, jsonb_build_object('key', encode(n.tag, 'hex')) from (
    select h.tag, h.key_id from hers h where h.key_id <> h.tag
    union select r.tag, f.key_id from root r join oubli.fence f on f.successor = r.tag) n
  returning entry, at, key_id, because, details, oubli.ledger_text(ledger) as text)`;

/** One SELECT for each table, and not a join of all of them: that would be planned in ever more ways. */
function count(plan: Plan, step: Step, place: number): string {
  if (isByName(plan, step)) {
    const each = `select id, count(*) as rows from s${place} group by id`;
    return `select ${place} as place, r.tag, sum(n.rows)::bigint as rows, null::jsonb as last from (${each}) n join root r on r.id = n.id group by r.tag`;
  }
  const hasEnd = step.action === 'keep' || step.action === 'archive';
  const last = hasEnd
    ? `jsonb_strip_nulls(jsonb_build_object('until', nullif(max(coalesce(until, 'infinity')), 'infinity')))`
    : 'null::jsonb';
  return `select ${place} as place, tag, count(*) as rows, ${last} as last from s${place} group by tag`;
}

/** What the ledger says of a table beside what is counted. */
function line(step: Step, place: number): string {
  const said = {
    table: step.table.displayName,
    action: step.action,
    ...(step.because === undefined ? {} : { because: step.because }),
    ...archivedDetail(step),
    ...(step.action === 'anonymise' ? { columns: treatmentOf(step.table, sharedColumns(step)) } : {}),
  };
  return `(${place}, ${literal(JSON.stringify(said))}::jsonb)`;
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

/**
 * The person's key is destroyed and its id refused for ever, in the same commit (ENVELOPE.md K4); and so is one that it is about to replace.
 */
function keyBranches(catalogue: Catalogue, plan: Plan): string[] {
  const { kind, steps } = plan;
  if (kind === undefined) return [];
  const stays = steps[0]?.action === 'anonymise';
  const mine = `l.kind = ${literal(kind)} and l.subject_id = r.id::text`;
  return [
    `hers as (select r.tag, r.reference, r.tag as key_id from root r
  union all select r.tag, r.reference, s.key_id from root r join oubli.subject_key s on s.successor = r.tag)`,
    `destroyed as (delete from oubli.subject_key k using hers h where k.key_id = h.key_id
  returning k.key_id, k.fingerprint, k.born, h.tag, h.reference)`,
    `fenced as (insert into oubli.fence (key_id, fingerprint, subject_reference, erased_at, born, successor)
  select d.key_id, d.fingerprint, d.reference, oubli.now(), d.born, nullif(d.tag, d.key_id) from destroyed d)`,
    stays
      ? `unlinked as (update oubli.subject_link l
  set key_id = null, erased_at = oubli.now(), retained_key_id = r.retained from root r where ${mine})`
      : `unlinked as (delete from oubli.subject_link l using root r where ${mine})`,
    ...eventBranches(catalogue, plan),
    ...loosened(mine),
  ];
}
