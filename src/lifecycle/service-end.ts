/**
 * The end of service: the event that starts the clock of a person's retention (ERASURE.md D3). It is written where the rule
 * reads it, in the caller's transaction: the clock starts with the commit, or not at all.
 */
import type { Table } from '../catalogue/model';
import { type Queryable, quoteIdentifier as q } from '../queryable';
import { rootType } from './erasure-statement';
import type { Rule } from './rule';

export interface ServiceEnd {
  readonly sql: string;
  readonly parameters: unknown[];
}

/**
 * @param on ISO date of the end; the database's today in the rule's time zone unless given. Said twice without a date, the
 *   first time stands: nobody is kept longer because an event was delivered again.
 */
export function serviceEnd(rule: Rule, id: string, on: string | undefined): ServiceEnd {
  const { from, timeZone } = rule.retention;
  const today = `(oubli.now() at time zone '${timeZone.replaceAll("'", "''")}')`;
  const column = subjectColumn(rule.table);
  const type = rootType({ root: rule.table, rootColumn: column });
  const mine = `t.${q(column)} = $1::${type}`;
  if (typeof from !== 'string') {
    const stands = on === undefined ? 'e.ended_on' : 'excluded.ended_on';
    return {
      sql: `insert into oubli.service_end as e (kind, subject_id, ended_on)
select $2, t.${q(column)}::text, coalesce($3::date, ${today}::date) from ${rule.table.sqlName} t where ${mine}
on conflict (kind, subject_id) do update set ended_on = ${stands} returning kind`,
      parameters: [id, rule.kind, on ?? null],
    };
  }
  const anchor = q(from);
  return {
    sql: `update ${rule.table.sqlName} t set ${anchor} = coalesce($2::${typeOf(rule.table, from)}, t.${anchor}, ${today}::${typeOf(rule.table, from)})
where ${mine} returning 1 as ended`,
    parameters: [id, on ?? null],
  };
}

/** Whether a person by this name is there, for the error when no row was touched. */
export async function exists(connection: Queryable, table: Table, id: string): Promise<boolean> {
  const column = subjectColumn(table);
  const type = rootType({ root: table, rootColumn: column });
  return (
    (await connection.query(`select 1 from ${table.sqlName} where ${q(column)} = $1::${type}`, [id])).rows.length > 0
  );
}

export function subjectColumn(table: Table): string {
  return table.declaration?.is === 'subject' ? table.declaration.column : '';
}

function typeOf(table: Table, column: string): string {
  return table.columns.get(column)?.type ?? 'date';
}
