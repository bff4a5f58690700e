/** What follows when the sweeps of all rules, or of one under a job, have ended: each part of the engine adds its line. */

import { type SweepFailed, SweepsFailedError } from '../errors';
import { tendArchives } from './archive/work';
import type { Engine } from './engine';
import { tendOutlived } from './outlived';
import { destroyExpiredKeys } from './retained-keys';
import { attachStranded } from './stranded-partitions';
import type { SweepOptions } from './sweep-report';
import { tendUnusedKeys } from './unused-keys';
import { vacuumTouched } from './vacuum';

/** What one part fails with does not keep the others. @throws SweepsFailedError where several fail */
export async function afterSweeps(
  engine: Engine,
  { signal, vacuum, breaker }: Pick<SweepOptions, 'signal' | 'vacuum' | 'breaker'> = {},
): Promise<void> {
  const parts = [
    () => destroyExpiredKeys(engine),
    () => tendOutlived(engine),
    () => tendArchives(engine, signal),
    ...(vacuum === 'later' ? [] : [() => vacuumTouched(engine, signal)]),
    () => attachStranded(engine),
    () => tendUnusedKeys(engine, { signal, breaker }),
  ];
  const failures: SweepFailed[] = [];
  for (const part of parts) await part().catch((error: unknown) => failures.push({ rule: undefined, error }));
  if (failures.length > 1) throw new SweepsFailedError(failures, []);
  if (failures[0]) throw failures[0].error;
}
