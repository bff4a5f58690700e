/**
 * `oubli certificate ENTRY`: what was erased, and what of it can still be recovered where until when, signed; and
 * `oubli certificate verify FILE`, for whoever was given one: without database and without keys.
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Command, Option } from 'commander';
import { ConfigurationError } from '../errors';
import type { Period } from '../period';
import { isSigned, verifyCertificate } from '../registers/verify-certificate';
import { type InstanceOptions, withInstance, withInstanceOptions } from './database';

interface Options extends InstanceOptions {
  readonly out?: string;
  readonly backup: readonly string[];
}

export function certificateVerb(): Command {
  const verb = new Command('certificate').description('what was erased, and what can still be recovered until when');
  const issue = new Command('issue')
    .description('issue the certificate of an erasure, read from the server now and signed')
    .argument('<entry>', 'the number of the receipt, or its key id')
    .option('--out <file>', 'where to write it; printed unless said otherwise')
    .addOption(
      new Option('--backup <name:period>', "a backup and how long it is kept: 'nightly:35 days'; as often as there are")
        .default([])
        .argParser((given: string, before: readonly string[]) => [...before, given]),
    )
    .action(certify);
  return verb.addCommand(withInstanceOptions(issue), { isDefault: true }).addCommand(verifying());
}

function verifying(): Command {
  return new Command('verify')
    .description('tell whether an installation wrote a certificate; exit code 1 if not')
    .argument('<file>')
    .requiredOption('--public-key <hex>', 'as the installation published it, not as the file says')
    .action(verify);
}

async function certify(entry: string, { out, backup, ...options }: Options): Promise<void> {
  const file = out && path.resolve(out); // before a knexfile changes where we are
  const backups = backup.map(declared);
  const signed = await withInstance(options, 'certificate', (instance) => instance.certificate(entry, { backups }));
  const text = `${JSON.stringify(signed, null, 2)}\n`;
  if (!file) {
    process.stdout.write(text);
    return;
  }
  await writeFile(file, text);
  console.log(`wrote ${out}, signed with ${signed.publicKey}`);
}

function declared(given: string): { name: string; keep: Period } {
  const at = given.lastIndexOf(':');
  return { name: given.slice(0, at), keep: given.slice(at + 1).trim() as Period };
}

async function verify(file: string, { publicKey }: { publicKey: string }): Promise<void> {
  const signed = await parsed(file);
  if (!(await verifyCertificate(signed, publicKey))) throw new ConfigurationError('CERTIFICATE_FALSE', { file });
  if (!isSigned(signed)) return;
  const { erasedAt, unrecoverableAt, traces, issuedAt, receipt } = signed.certificate;
  console.log(`${file}: signed with this key, and not changed since`);
  console.log(
    `  erased at ${erasedAt} under the key id ${receipt.keyId}; unrecoverable at ${unrecoverableAt ?? '(not yet)'}`,
  );
  console.log(`  as of ${issuedAt}:`);
  for (const { where, table, state, until, says } of traces) {
    console.log(
      `  - ${[where, table].filter(Boolean).join(' of ')}: ${state}${until ? ` until ${until}` : ''}; ${says}`,
    );
  }
}

async function parsed(file: string): Promise<unknown> {
  const text = await readFile(file, 'utf8').catch(() => {
    throw new ConfigurationError('BAD_CERTIFICATE', { file });
  });
  try {
    const value: unknown = JSON.parse(text);
    if (isSigned(value)) return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new ConfigurationError('BAD_CERTIFICATE', { file });
}
