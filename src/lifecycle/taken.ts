/** Which columns of which rows a step takes from somebody: of shared rows those of her own share only (ERASURE.md G3). */
import { type Column, isPersonal } from '../catalogue/model';
import type { Step, Way } from './step';

export interface Taken {
  /** From the row to who leaves. */
  readonly way: Way;
  /** Her columns. */
  readonly columns: readonly Column[];
  /** Whether the whole row leaves. */
  readonly whole: boolean;
}

export function takenBy({ action, table, ways, shared }: Step): Taken[] {
  if (action === 'detach') return [];
  if (shared) {
    const hers = shared.shares.filter(({ person }) => person !== undefined);
    return hers.map(({ way, columns }) => ({ way, columns, whole: false }));
  }
  const columns = [...table.columns.values()].filter(isPersonal);
  const whole = action !== 'anonymise' && action !== 'keep';
  return ways.map((way) => ({ way, columns, whole }));
}
