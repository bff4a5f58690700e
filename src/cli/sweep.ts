/** `oubli sweep`: everything that is due leaves now, for who runs it by cron and not under pg-boss. */
import { Command } from 'commander';
import { SweepsFailedError } from '../errors';
import type { SweepReport } from '../lifecycle/sweep-report';
import { type InstanceOptions, withInstance, withInstanceOptions } from './database';
import { sayPlan, sayReport } from './planned';

interface Options extends InstanceOptions {
  readonly rule?: string;
  readonly dryRun?: true;
  readonly seconds?: number;
  readonly vacuum: boolean;
}

export function sweepVerb(): Command {
  return withInstanceOptions(new Command('sweep'))
    .description('erase what is due, a few at a time; interrupted, run it again')
    .option('--rule <name>', 'under one rule: subject:user, rows:public.visits; under all of them unless said')
    .option('--dry-run', 'only show what would be done')
    .option('--no-vacuum', 'leave VACUUM of what was touched to oubli vacuum, in a quiet hour')
    .option('--seconds <n>', 'stop after so long; what is left is still due', Number)
    .action(sweep);
}

async function sweep({ dryRun, rule, seconds, vacuum, ...options }: Options): Promise<void> {
  const only = rule ? { rule } : {};
  await withInstance(options, 'sweep', async (instance) => {
    if (dryRun) return console.log(sayPlan(await instance.plan(only)));
    const stop = new AbortController();
    process.once('SIGTERM', () => stop.abort()).once('SIGINT', () => stop.abort());
    const given = {
      ...only,
      ...(seconds === undefined ? {} : { seconds }),
      signal: stop.signal,
      vacuum: vacuum ? 'after' : 'later',
    } as const;
    for (const report of await swept(instance.sweep(given))) console.log(sayReport(report));
  });
}

/** What ended is said, whatever failed beside it. */
async function swept(sweeping: Promise<SweepReport[]>): Promise<readonly SweepReport[]> {
  try {
    return await sweeping;
  } catch (error) {
    if (!(error instanceof SweepsFailedError)) throw error;
    console.error(`oubli: ${error.message}`);
    process.exitCode = 1;
    return error.reports as readonly SweepReport[];
  }
}
