#!/usr/bin/env node
/**
 * The operator's door: `npx oubli <verb>`. One verb per file; what goes wrong is said with what to do, and without a stack.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Command } from 'commander';
import { OubliError } from '../errors';
import { applyVerb } from './apply';
import { archiveVerb } from './archive';
import { backfillVerb } from './backfill';
import { certificateVerb } from './certificate';
import { checkVerb } from './check';
import { drillVerb } from './drill';
import { dueVerb } from './due';
import { holdVerb } from './hold';
import { keysVerb } from './keys';
import { ledgerVerb } from './ledger';
import { planVerb } from './plan';
import { replayVerb } from './replay';
import { rolesVerb } from './roles';
import { sweepVerb } from './sweep';
import { typesVerb } from './types';
import { unprotectVerb } from './unprotect';
import { vacuumVerb } from './vacuum';

/** Every verb, in the order of an installation's life. */
const VERBS = [
  keysVerb,
  checkVerb,
  rolesVerb,
  typesVerb,
  backfillVerb,
  unprotectVerb,
  dueVerb,
  planVerb,
  applyVerb,
  sweepVerb,
  holdVerb,
  archiveVerb,
  certificateVerb,
  vacuumVerb,
  ledgerVerb,
  replayVerb,
  drillVerb,
];

async function main(args: readonly string[]): Promise<void> {
  const program = new Command('oubli')
    .description('Personal data that knows when to leave.')
    .version(versionOfPackage());
  for (const verb of VERBS) program.addCommand(verb());
  await program.parseAsync(args);
}

/** The package stands as far above this file as it was written as above what is made of it. */
function versionOfPackage(): string {
  return JSON.parse(readFileSync(path.join(__dirname, '..', '..', 'package.json'), 'utf8')).version;
}

main(process.argv).catch((error: unknown) => {
  if (!(error instanceof OubliError)) throw error;
  console.error(`oubli: ${error.message}`);
  process.exitCode = 1;
});
