/**
 * Whether archives are as they were declared: there, and closed to the role that asks; and what waits on its way to another database
 * (ERASURE.md R1). Run as the role of the application: a superuser may read everything.
 */
import type { Queryable, Row } from '../queryable';

export interface ArchiveState {
  readonly schema: string;
  /** Its owner as it is; undefined where the archive is gone. */
  readonly owner: string | undefined;
  /** Whether the asking role may read what is sealed there. */
  readonly readable: boolean;
  readonly role: string;
}

export interface OutboxState {
  readonly rows: number;
  /** When the first of them was moved. */
  readonly since: Date | undefined;
}

const ARCHIVES = `
select a.schema::text as schema, c.relowner::regrole::text as owner, current_user::text as role,
  coalesce(has_table_privilege(c.oid, 'select') or has_any_column_privilege(c.oid, 'select'), false) as readable
from oubli.archive a
left join pg_catalog.pg_namespace n on n.nspname = a.schema
left join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = 'archived_row'
where not a.elsewhere order by a.schema`;

export async function archiveStates(connection: Queryable): Promise<ArchiveState[]> {
  return (await connection.query(ARCHIVES)).rows.map((row: Row) => ({
    schema: String(row.schema),
    owner: row.owner === null ? undefined : String(row.owner),
    readable: Boolean(row.readable),
    role: String(row.role),
  }));
}

export async function outboxState(connection: Queryable): Promise<OutboxState> {
  const { rows } = await connection.query(
    'select count(*)::text as rows, min(moved_at) as since from oubli.archive_outbox',
  );
  return { rows: Number(rows[0]?.rows), since: (rows[0]?.since as Date | null) ?? undefined };
}

export function sayArchive({ schema, owner, readable, role }: ArchiveState): string {
  if (owner === undefined) return `${schema}: gone; every erasure that archives there will fail`;
  if (!readable) return `${schema}: belongs to ${owner}; ${role} may not read it`;
  return `${schema}: belongs to ${owner}, and ${role} may read it: the application must be another role`;
}

export function sayOutbox({ rows, since }: OutboxState): string[] {
  if (rows === 0) return [];
  return [`${rows} rows wait in the outbox for another database, the first since ${since?.toISOString()}`];
}
