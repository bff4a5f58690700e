/** Backups as the team declares them: PostgreSQL knows of none (ERASURE.md L4). What was erased is in a backup until that is thrown away. */
import { refuseUnknownKeys } from '../catalogue/suggest';
import { ConfigurationError } from '../errors';
import { isPeriod, type Period, toInterval } from '../period';
import type { Queryable } from '../queryable';
import type { Trace } from './trace';

export interface Backup {
  /** What the team calls it. */
  readonly name: string;
  /** How long one is kept: `'35 days'`. */
  readonly keep: Period;
}

/** @throws ConfigurationError BAD_BACKUP */
export function checkBackups(backups: unknown): readonly Backup[] {
  if (backups === undefined) return [];
  if (!Array.isArray(backups)) throw new ConfigurationError('BAD_BACKUP', { given: typeof backups });
  for (const backup of backups as Partial<Backup>[]) {
    refuseUnknownKeys(backup, ['name', 'keep'], (given) => new ConfigurationError('BAD_BACKUP', { given }));
    if (typeof backup.name !== 'string' || backup.name.trim() === '' || !isPeriod(backup.keep)) {
      throw new ConfigurationError('BAD_BACKUP', { given: String(backup.keep ?? backup.name) });
    }
  }
  return backups as Backup[];
}

const UNTIL = `
select to_char(w.until, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as until, w.until at time zone 'UTC' <= oubli.now() as past
from (select $1::timestamptz at time zone 'UTC' + $2::interval as until) w`;

export async function backupTraces(
  connection: Queryable,
  backups: readonly Backup[],
  erasedAt: string,
): Promise<Trace[]> {
  if (backups.length === 0) {
    return [
      {
        where: 'backups',
        state: 'unknown',
        until: null,
        says: 'none was declared: oubli(knex, { backups: [{ name, keep }] })',
      },
    ];
  }
  const traces: Trace[] = [];
  for (const { name, keep } of backups) {
    const [row] = (await connection.query(UNTIL, [erasedAt, toInterval(keep)])).rows;
    traces.push({
      where: `backup ${name}`,
      // with the key store in it, what is sealed there can be opened too
      state: row?.past ? 'none' : 'possible',
      until: String(row?.until),
      says: `kept for ${keep} as declared: one from before the erasure holds her until then, with her key where it holds the key store`,
    });
  }
  return traces;
}
