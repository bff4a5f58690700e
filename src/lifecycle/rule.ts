/**
 * Retention rules as the catalogue declares them (ERASURE.md D1): one per kind of data subject, and one per table whose rows
 * have an end of their own.
 */
import type { SettledRetention } from '../catalogue/check-retention';
import type { Catalogue, Table } from '../catalogue/model';

export interface Rule {
  /** Opaque to whoever reads a job: `subject:user`, `rows:billing.invoices`. */
  readonly name: string;
  readonly table: Table;
  readonly retention: SettledRetention;
  /** Set when what leaves is a person and not single rows. */
  readonly kind: string | undefined;
}

export function rulesOf(catalogue: Catalogue): Rule[] {
  return catalogue.tables.flatMap((table) => {
    const { declaration } = table;
    if (!declaration?.spec.retention) return [];
    const kind = declaration.is === 'subject' ? declaration.kind : undefined;
    const name = kind === undefined ? `rows:${table.schema}.${table.name}` : `subject:${kind}`;
    return [{ name, table, retention: declaration.spec.retention as SettledRetention, kind }];
  });
}
