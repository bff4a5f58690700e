/** What the end of a rule does, and what the ledger says about why. */
import type { Engine } from './engine';
import { type Plan, planErasure, planRows } from './plan';
import type { Rule } from './rule';

export function planOf({ catalogue }: Engine, rule: Rule): Plan {
  return rule.kind === undefined ? planRows(catalogue, rule.table, rule.retention) : planErasure(catalogue, rule.table);
}

export function becauseOf({ table, retention }: Rule): string {
  const anchor = typeof retention.from === 'string' ? `${table.name}.${retention.from}` : 'the end of service';
  return `${retention.because ?? 'retention'}: ${retention.keep} after ${anchor}`;
}
