/** What follows when the sweeps of all rules, or of one under a job, have ended: each part of the engine adds its line. */

import { tendArchives } from './archive/work';
import type { Engine } from './engine';
import { tendLeftBehind } from './outlived';
import { destroyExpiredKeys } from './retained-keys';
import { attachStranded } from './stranded-partitions';
import type { SweepOptions } from './sweep-report';
import { vacuumTouched } from './vacuum';

export async function afterSweeps(
  engine: Engine,
  { signal, vacuum }: Pick<SweepOptions, 'signal' | 'vacuum'> = {},
): Promise<void> {
  await destroyExpiredKeys(engine);
  await tendLeftBehind(engine);
  await tendArchives(engine, signal);
  if (vacuum !== 'later') await vacuumTouched(engine, signal);
  await attachStranded(engine);
}
