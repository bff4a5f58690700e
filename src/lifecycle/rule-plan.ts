/** What the end of a rule does, and what the ledger says about why. */
import { anchorName } from './anchor';
import type { Engine } from './engine';
import { type Plan, planErasure, planRows } from './plan';
import type { Rule } from './rule';

export function planOf({ catalogue }: Engine, rule: Rule): Plan {
  return rule.kind === undefined ? planRows(catalogue, rule.table, rule.retention) : planErasure(catalogue, rule.table);
}

export function becauseOf(rule: Rule): string {
  const { because, keep } = rule.retention;
  return `${because ?? 'retention'}: ${keep} after ${anchorName(rule)}`;
}
