/**
 * Retention rules as the catalogue declares them (ERASURE.md D1): one per kind of data subject, and one per table whose rows
 * have an end of their own.
 */
import type { SettledRetention } from '../catalogue/check-retention';
import type { Catalogue, Table } from '../catalogue/model';
import { suggest } from '../catalogue/suggest';
import { ConfigurationError } from '../errors';

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

/**
 * All rules, or the one of this name.
 * @throws ConfigurationError UNKNOWN_RULE
 */
export function rulesNamed(catalogue: Catalogue, name: string | undefined): Rule[] {
  const rules = rulesOf(catalogue);
  if (name === undefined) return rules;
  const found = rules.filter((rule) => rule.name === name);
  if (found.length > 0) return found;
  const names = rules.map((rule) => rule.name);
  throw new ConfigurationError('UNKNOWN_RULE', {
    given: name,
    suggestion: suggest(name, names),
    choices: names.join(', '),
  });
}
