/**
 * The triggers that refuse raw SQL what the life cycle refuses itself (ERASURE.md H1, GDPR Art. 18): the bodies of their
 * functions, made of the same ways that an erasure finds a person's rows by. `migrations/009_holds.sql` places them.
 */
import type { Catalogue, Table } from '../catalogue/model';
import { joinChain } from '../catalogue/path-sql';
import { quoteLiteral as literal, quoteIdentifier as q } from '../queryable';
import { ofPerson } from './held';
import { type PersonWay, watchedColumns, waysToPeople } from './hold-graph';

export interface HoldTrigger {
  readonly name: string;
  readonly timing: string;
  readonly level: 'row' | 'statement';
  readonly source: string;
}

/** What keeps held rows as they are: no DELETE, no TRUNCATE, no UPDATE of what says who or what they are. */
export function holdTriggers(catalogue: Catalogue, table: Table): HoldTrigger[] {
  const ways = waysToPeople(catalogue, table);
  const row = refusal(
    `oubli.refuse_held(target, (select x.held_by from (${heldRow(catalogue, table, ways)}) x limit 1))`,
  );
  const all = refusal(
    `oubli.refuse_held(target, (select x.held_by from (${heldIn(catalogue, table, ways)}) x limit 1))`,
  );
  return [
    { name: 'oubli_hold_delete', timing: 'before delete', level: 'row', source: body(`${row}\n  return old;`) },
    {
      name: 'oubli_hold_update',
      timing: 'after update',
      level: 'row',
      source: body(`${unlessUntouched(catalogue, table)}${row}\n  return null;`),
    },
    {
      name: 'oubli_hold_truncate',
      timing: 'before truncate',
      level: 'statement',
      source: body(`${all}\n  return null;`),
    },
  ];
}

/** What keeps the rows of restricted people as they are: nothing is added, nothing is changed. */
export function restrictionTriggers(catalogue: Catalogue, table: Table): HoldTrigger[] {
  const ways = waysToPeople(catalogue, table);
  const refuse = (row: 'old' | 'new'): string =>
    refusal(
      `oubli.refuse_restricted(target, exists (${ofPeople(catalogue, ways, `(select ${row}.*)`, 'restriction', '')}))`,
    );
  const name = 'oubli_restricted';
  return [
    { name: `${name}_insert`, timing: 'after insert', level: 'row', source: body(`${refuse('new')}\n  return null;`) },
    {
      name: `${name}_update`,
      timing: 'after update',
      level: 'row',
      source: body(`${unlessUntouched(catalogue, table)}${refuse('old')}${refuse('new')}\n  return null;`),
    },
  ];
}

/** Every name that one of the two may have: those that are not wanted any more are dropped. */
export const TRIGGER_NAMES = [
  'oubli_hold_delete',
  'oubli_hold_update',
  'oubli_hold_truncate',
  'oubli_restricted_insert',
  'oubli_restricted_update',
] as const;

function body(work: string): string {
  return `
declare
  target regclass := tg_relid;
begin
  if exists (select from pg_catalog.pg_inherits i where i.inhrelid = tg_relid) then
    target := oubli.topmost(tg_relid);
  end if;${work}
end `;
}

function refusal(call: string): string {
  return `
  perform oubli.refuse_older_view(target);
  perform ${call};`;
}

/** The bytes are compared, since not every type has an equality; the types are named, so that another type is another body. */
function unlessUntouched(catalogue: Catalogue, table: Table): string {
  const watched = watchedColumns(catalogue, table);
  const row = (of: string): string => `row(${watched.map(({ name }) => `${of}.${q(name)}`).join(', ')})::record`;
  return `
  -- ${watched.map(({ name, type }) => `${q(name)} ${type}`.replace(/[\r\n]/g, ' ')).join(', ')}
  if not (${row('old')} *<> ${row('new')}) then
    return null;
  end if;`;
}

function heldRow(catalogue: Catalogue, table: Table, ways: readonly PersonWay[]): string {
  const key = table.primaryKey.map((name) => `old.${q(name)}::text`).join(', ');
  const direct = `select h.held_by from oubli.row_held h where h.rel = target and h.row_key = array[${key}]`;
  const parts = key === '' ? [] : [direct];
  if (ways.length > 0) parts.push(ofPeople(catalogue, ways, '(select old.*)', 'person_held', 'h.held_by'));
  return parts.join(' union all ') || 'select null::text as held_by';
}

/** Of the whole table: found from those who are held. */
function heldIn(catalogue: Catalogue, table: Table, ways: readonly PersonWay[]): string {
  const people = ways.map(({ way, kind, subjectColumn }) => {
    const { tables, conditions, root } = joinChain(catalogue, 't', way, subjectColumn);
    const is = [...conditions, `h.kind = ${literal(kind)}`, `h.subject_id = ${root}::text`].join(' and ');
    return `select h.held_by from ${['oubli.person_held h', `${table.sqlName} t`, ...tables].join(', ')} where ${is}`;
  });
  return ['select h.held_by from oubli.row_held h where h.rel = target', ...people].join(' union all ');
}

function ofPeople(
  catalogue: Catalogue,
  ways: readonly PersonWay[],
  rows: string,
  among: 'person_held' | 'restriction',
  selected: string,
): string {
  const each = ways.map(({ way, kind, subjectColumn }) => {
    const { tables, conditions, root } = joinChain(catalogue, 't', way, subjectColumn);
    const from = [`${rows} t`, ...tables, ofPerson(among, kind, root)].join(', ');
    return `select ${selected} from ${from}${conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}`}`;
  });
  return each.join(' union all ') || 'select where false';
}
