/**
 * One pass over one table for the identifiers of all people of a chunk. They are parameters, never text of SQL. Rows that the
 * plan takes are left out, and of rows that it anonymises or keeps the personal columns; and whoever is called the same in the very
 * column that a value was read from is a namesake.
 */
import type { Catalogue } from '../catalogue/model';
import { joinChain } from '../catalogue/path-sql';
import { quoteLiteral as literal, quoteIdentifier as q } from '../queryable';
import type { Plan } from './plan';
import { belongsTo, fromName } from './root';
import type { SearchedTable } from './searched-tables';
import type { Step } from './step';
import { takenBy } from './taken';

/** So many are compared with each text one by one; more are found by their first word, in a hash of all words of the text. */
const FEW = 64;
/** Signs of ASCII stand between words; of a script without spaces a run is one word. */
const BETWEEN_WORDS = '[\\x01-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7f]';
const WORD = BETWEEN_WORDS.replace('[', '[^');

/**
 * $1 names of who leaves; $2 to $4 an identifier each: of whom, read from where, the text. A mail address may also stand as a hash,
 * which is a pseudonym.
 */
export function residueStatement(catalogue: Catalogue, plan: Plan, table: SearchedTable, identifiers: number): string {
  const cells = table.columns.map((name) => {
    // the database's own collation finds substrings; one of ICU that ignores case would not
    return `(${literal(name)}, lower(t.${q(name)}::text collate "default") collate "C")`;
  });
  const words = `cross join lateral (select distinct word from regexp_split_to_table(c.value, '${BETWEEN_WORDS}+') word) w`;
  const [split, byWord] = identifiers <= FEW ? ['', ''] : [words, 'n.word = w.word and'];
  return `
with root as materialized (select w.name, ${fromName(plan, 'w.name')} from unnest($1::text[]) w(name)),
known as (
  select person, source, lower(text collate "default") collate "C" as text from unnest($2::text[], $3::text[], $4::text[]) n(person, source, text)),
needle as materialized (
  select person, source, form, (regexp_match(form, '${WORD}+'))[1] as word
  from known cross join lateral (
    select text as form
    union all select f from (values (md5(text)), (encode(sha256(convert_to(text, 'UTF8')), 'hex'))) h(f) where text like '%@%') f),
hit as materialized (
  select distinct t.tableoid as part, t.ctid as at, c.name, n.person
  from only ${table.sqlName} t cross join lateral (values ${cells.join(', ')}) c(name, value) ${split}
  join needle n on ${byWord} position(n.form in c.value) > 0
  where not exists (select from known k where k.person = n.person and k.text = c.value
    and k.source in (select s || c.name from unnest(${sourcesOf(catalogue, table)}) s)))
select h.person, h.name as column, count(*)::int as rows from hit h
where ${['true', ...stepsOn(plan, table).map((step) => notTaken(catalogue, plan, table, step))].join(' and ')}
group by h.person, h.name`;
}

function stepsOn({ steps }: Plan, { ancestors }: SearchedTable): Step[] {
  return steps.filter((step) => step.action !== 'detach' && ancestors.includes(step.table.oid));
}

function notTaken(catalogue: Catalogue, plan: Plan, table: SearchedTable, step: Step): string {
  const hers = takenBy(step).map(({ way, columns, whole }) => {
    const chain = joinChain(catalogue, 't', way, plan.rootColumn);
    const from = [`only ${table.sqlName} t`, ...chain.tables, 'root r'].join(', ');
    const row = `exists (select from ${from} where t.tableoid = h.part and t.ctid = h.at and ${belongsTo(plan, chain, 'r')})`;
    if (whole) return row;
    return columns.length === 0
      ? 'false'
      : `h.name in (${columns.map(({ name }) => literal(name)).join(', ')}) and ${row}`;
  });
  return hers.length === 0 ? 'true' : `not (${hers.join(' or ')})`;
}

/** By which names identifiers of this table's columns were read: its own, or those of the table it is a part of. */
function sourcesOf(catalogue: Catalogue, { ancestors }: SearchedTable): string {
  const names = ancestors.flatMap((oid) => catalogue.table(oid)?.sqlName ?? []).map((name) => literal(`${name}.`));
  return `array[${names.join(', ')}]::text[]`;
}
