/**
 * What the declaration of a table says of its archive: whether an erasure moves its rows there, which columns go, and when the
 * archive ends for each row.
 */
import type { SettledArchive } from '../../catalogue/check-archive';
import type { SettledRetention } from '../../catalogue/check-retention';
import type { Column, Table } from '../../catalogue/model';
import { toInterval } from '../../period';
import { quoteLiteral as literal } from '../../queryable';
import { dueCondition } from '../due';
import type { Rule } from '../rule';

export interface ArchiveRule {
  readonly table: Table;
  readonly retention: SettledRetention;
  readonly archive: SettledArchive;
}

/** Undefined where rows of the table are never archived. */
export function archiveRuleOf(table: Table): ArchiveRule | undefined {
  const retention = table.declaration?.spec.retention as SettledRetention | undefined;
  return retention?.archive && { table, retention, archive: retention.archive };
}

export function groundOf({ retention, archive }: ArchiveRule): string | undefined {
  return archive.because ?? retention.because;
}

/** What the legal ground names: all of the row where the declaration says `true`. */
export function archivedColumns({ table, archive }: ArchiveRule): Column[] {
  const columns = [...table.columns.values()];
  return archive.columns ? columns.filter(({ name }) => archive.columns?.includes(name)) : columns;
}

/**
 * SQL of the moment on which a row's archive ends, never NULL and never infinite: of a row whose clock had not started, the period starts
 * with the move (GDPR Art. 5(1)(e): nothing is kept without an end).
 */
export function endOfArchive({ table, retention, archive }: ArchiveRule, alias: string): { join: string; end: string } {
  const keep = archive.keep ?? retention.keep;
  const from = archive.from ?? retention.from;
  const rule: Rule = { name: '', table, kind: undefined, retention: { ...retention, from, keep } };
  const { join, moment } = dueCondition(rule, alias);
  const zone = literal(retention.timeZone);
  const otherwise = `((oubli.now() at time zone ${zone} + interval '${toInterval(keep)}') at time zone ${zone})`;
  return { join, end: `case when isfinite(${moment}) then ${moment} else ${otherwise} end` };
}
