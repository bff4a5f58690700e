/**
 * Retention rules as the catalogue declares them (ERASURE.md D1): one per kind of data subject, and one per table whose rows
 * have an end of their own.
 */
import type { SettledRetention } from '../catalogue/check-retention';
import type { Catalogue, Table } from '../catalogue/model';
import { type JoinedChain, joinChain } from '../catalogue/path-sql';
import { pathToSubject } from '../catalogue/subject-path';
import { suggest } from '../catalogue/suggest';
import { ConfigurationError } from '../errors';
import { rootType } from './root';

export interface Rule {
  /** Opaque to whoever reads a job: `subject:user`, `rows:billing.invoices`. */
  readonly name: string;
  readonly table: Table;
  readonly retention: SettledRetention;
  /** Set when what leaves is a person and not single rows. */
  readonly kind: string | undefined;
  /** Whose event starts the clock, where one does: the person herself, or the one whose rows these are. */
  readonly person?: RulePerson;
}

export interface RulePerson {
  readonly kind: string;
  /** PostgreSQL's type of what names her. */
  readonly type: string;
  /** Her table, as SQL writes it, and the column that names her there. */
  readonly subjects: string;
  readonly column: string;
  /** From a row of the rule's table to the column that names her. @param alias of that table */
  chain(alias: string): JoinedChain;
}

export function rulesOf(catalogue: Catalogue): Rule[] {
  return catalogue.tables.flatMap((table) => {
    const { declaration } = table;
    if (!declaration?.spec.retention) return [];
    return [ruleOver(catalogue, table, declaration.spec.retention as SettledRetention)];
  });
}

/** What a rule of this table is called, whether it has one or not. */
export function ruleName({ declaration, schema, name }: Table): string {
  return declaration?.is === 'subject' ? `subject:${declaration.kind}` : `rows:${schema}.${name}`;
}

export function ruleOver(catalogue: Catalogue, table: Table, retention: SettledRetention): Rule {
  const { declaration } = table;
  const kind = declaration?.is === 'subject' ? declaration.kind : undefined;
  const person = startsWithEvent(retention) ? { person: personOf(catalogue, table) } : {};
  return { name: ruleName(table), table, retention, kind, ...person };
}

function startsWithEvent({ from }: SettledRetention): boolean {
  return typeof from === 'object' && 'event' in from;
}

function personOf(catalogue: Catalogue, table: Table): RulePerson {
  const { kind, hops, subjects, subjectColumn } = pathToSubject(catalogue, table);
  const type = rootType({ root: subjects, rootColumn: subjectColumn });
  const chain = (alias: string): JoinedChain => joinChain(catalogue, alias, hops, subjectColumn);
  return { kind, type, subjects: subjects.sqlName, column: subjectColumn, chain };
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
