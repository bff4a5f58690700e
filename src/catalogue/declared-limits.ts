/**
 * What a column's declared type promised beside its kind: `varchar(60)` holds at most 60 characters, `numeric(8,2)` two
 * decimals. A sealed column is `bytea` to PostgreSQL, so the promise is kept here.
 */
export interface DeclaredLimits {
  /** Characters (code points, as PostgreSQL counts them). */
  readonly length?: number;
  readonly precision?: number;
  readonly scale?: number;
}

export function limitsOf(declaredType: string): DeclaredLimits {
  const [, name = '', first, second] =
    /^([a-z ]+?)\s*\((\d+)(?:\s*,\s*(\d+))?\)$/.exec(declaredType.toLowerCase()) ?? [];
  if (first === undefined) return {};
  if (/^(varchar|character varying|char|character|bpchar)$/.test(name)) return { length: Number(first) };
  if (/^(numeric|decimal)$/.test(name)) return { precision: Number(first), scale: Number(second ?? 0) };
  return {};
}
