/** `oubli apply PLAN`: does what was planned, or says what has changed since and does nothing. Interrupted, it is run again. */
import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { ConfigurationError } from '../errors';
import type { AppliedPlan } from '../rights/plans';
import { type InstanceOptions, withInstance, withInstanceOptions } from './database';
import { sayReport } from './planned';
import { subjectNamed } from './subject-name';

interface Options extends InstanceOptions {
  readonly because?: string;
  readonly subject?: string;
}

export function applyVerb(): Command {
  return withInstanceOptions(new Command('apply'))
    .description('do what was planned, past the breaker; run it again if it was interrupted')
    .argument('<plan>', 'the file that oubli plan wrote')
    .option('--because <reason>', 'of a person: whose request, how she was identified')
    .option('--subject <kind:id>', 'of a person of whom nothing was ever sealed: who she is')
    .action(apply);
}

async function apply(file: string, { because, subject, ...options }: Options): Promise<void> {
  const plan = parsed(await readFile(file, 'utf8'));
  const given = { ...(because ? { because } : {}), ...(subject ? { subject: subjectNamed(subject, 'apply') } : {}) };
  for (const each of await withInstance(options, 'apply', (instance) => instance.apply(plan, given)))
    console.log(said(each));
}

function parsed(text: string): never {
  try {
    return JSON.parse(text) as never;
  } catch {
    throw new ConfigurationError('BAD_PLAN_FILE', { given: 'no JSON' });
  }
}

function said({ report, receipt, fewer }: AppliedPlan): string {
  if (receipt) return `a ${receipt.kind} is erased: entry ${receipt.entry} of the ledger, key ${receipt.keyId}`;
  const less = fewer > 0 ? `\n  ${fewer} fewer than planned: returned, held, or gone before` : '';
  return `${report ? sayReport(report) : ''}${less}`;
}
