/**
 * What a column's declared type promised beside its kind: `varchar(60)` holds at most 60 characters, `char(8)` always 8,
 * `numeric(8,2)` two decimals. A sealed column is `bytea` to PostgreSQL, so the promise is kept here.
 */
export interface DeclaredLimits {
  /** Characters (code points, as PostgreSQL counts them). */
  readonly length?: number;
  /** Whether spaces at the end mean nothing and are filled up to `length`: `char(8)` (PostgreSQL manual, 8.3). */
  readonly padded?: true;
  readonly precision?: number;
  /** Decimals; below zero, zeros before the point: `numeric(5,-2)` holds hundreds. */
  readonly scale?: number;
}

export function limitsOf(declaredType: string): DeclaredLimits {
  const [, name = '', first, second] =
    /^([a-z ]+?)\s*(?:\((\d+)(?:\s*,\s*(-?\d+))?\))?$/.exec(declaredType.toLowerCase()) ?? [];
  if (/^(char|character)$/.test(name)) return { length: Number(first ?? 1), padded: true };
  if (name === 'bpchar') return { padded: true };
  if (first === undefined) return {};
  if (/^(varchar|character varying)$/.test(name)) return { length: Number(first) };
  if (/^(numeric|decimal)$/.test(name)) return { precision: Number(first), scale: Number(second ?? 0) };
  return {};
}
