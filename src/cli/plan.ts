/** `oubli plan`: what would be done, written to a file for `oubli apply`. Nothing in the database is touched, nobody is named. */
import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { type InstanceOptions, withInstance, withInstanceOptions } from './database';
import { sayPlan } from './planned';
import { subjectNamed } from './subject-name';

interface Options extends InstanceOptions {
  readonly rule?: string;
  readonly subject?: string;
  readonly out?: string;
}

export function planVerb(): Command {
  return withInstanceOptions(new Command('plan'))
    .description('show what would be erased now, table by table, and save it for apply')
    .option('--rule <name>', 'of one rule: subject:user, rows:public.visits; all of them unless said')
    .option('--subject <kind:id>', 'of one person: user:42')
    .option('--out <file>', 'where to write it; a file that exists is not overwritten')
    .action(plan);
}

async function plan({ rule, subject, out, ...options }: Options): Promise<void> {
  const target = { ...(rule ? { rule } : {}), ...(subject ? { subject: subjectNamed(subject, 'plan') } : {}) };
  const file = await withInstance(options, 'plan', (instance) => instance.plan(target));
  console.log(sayPlan(file));
  if (out === undefined) return;
  await writeFile(out, `${JSON.stringify(file, null, 2)}\n`, { flag: 'wx' });
  console.log(`wrote ${out}:  npx oubli apply ${out}`);
}
