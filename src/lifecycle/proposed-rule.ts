/** A rule that nobody declared yet, checked as the declaration would be: by the same checks, refused with the same corrections. */
import type { SettledRetention } from '../catalogue/check-retention';
import { checkSubjectSpec, checkTableSpec } from '../catalogue/check-table';
import type { Catalogue, Declaration, Table } from '../catalogue/model';
import type { Retention } from '../catalogue/spec';
import { suggest } from '../catalogue/suggest';
import { verifyAnchor } from '../catalogue/verify-anchor';
import { ConfigurationError } from '../errors';
import { type Rule, ruleName, ruleOver } from './rule';

/** What would be declared otherwise: `{ keep: '3 months' }`. */
export type ProposedRule = Partial<Retention>;

/** @throws ConfigurationError PROPOSED_WITHOUT_RULE, UNKNOWN_RULE; AnnotationError as of a declaration */
export function proposedRule(catalogue: Catalogue, name: string | undefined, proposed: ProposedRule): Rule {
  const table = tableOf(catalogue, name);
  const declaration = declared(table, proposed);
  const changed: Table = { ...table, declaration };
  verifyAnchor(catalogue, changed);
  return ruleOver(catalogue, changed, declaration.spec.retention as SettledRetention);
}

function tableOf(catalogue: Catalogue, name: string | undefined): Table {
  const tables = catalogue.tables.filter(({ declaration }) => declaration !== undefined);
  const names = tables.map(ruleName);
  if (name === undefined) throw new ConfigurationError('PROPOSED_WITHOUT_RULE', { rule: names[0] ?? 'subject:user' });
  const table = tables.find((each) => ruleName(each) === name);
  if (table) return table;
  const choices = names.join(', ');
  throw new ConfigurationError('UNKNOWN_RULE', { given: name, suggestion: suggest(name, names), choices });
}

function declared(table: Table, proposed: ProposedRule): Declaration {
  const { declaration } = table;
  if (!declaration) throw new TypeError(`${table.name} is not declared`);
  const retention = {
    ...(declaration.is === 'data' ? { then: 'delete' } : {}),
    ...declaration.spec.retention,
    ...proposed,
  };
  // annotate() keeps the kind among the options, where the check expects it apart
  const { kind: _, ...said } = declaration.spec as typeof declaration.spec & { readonly kind?: string };
  const spec = { ...said, retention };
  return declaration.is === 'subject'
    ? { ...declaration, spec: checkSubjectSpec(table.name, declaration.kind, spec) }
    : { ...declaration, spec: checkTableSpec(table.name, spec) };
}
