/** `oubli ledger verify | export | public-key`: for the operator, and for an auditor who has neither the database nor a secret. */
import { createReadStream, createWriteStream } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Command } from 'commander';
import { loadCatalogue } from '../catalogue/load';
import type { LedgerReport } from '../checks/ledger';
import { exportedLedger, verifyExport } from '../checks/ledger-export';
import { ed25519 } from '../crypto/signature';
import { ConfigurationError } from '../errors';
import { inspected } from '../inspection';
import { fileJournal } from '../registers/file-journal';
import {
  configOf,
  type DatabaseOptions,
  type InstanceOptions,
  withConnection,
  withDatabaseOptions,
  withInstanceOptions,
  withSettings,
} from './database';
import { newJournalVerb } from './new-journal';

interface VerifyOptions extends InstanceOptions {
  readonly export?: string;
  readonly publicKey?: string;
}

export function ledgerVerb(): Command {
  const ledger = new Command('ledger').description('what was done, as a chain that nobody can rewrite unseen');
  withInstanceOptions(ledger.command('verify'))
    .description('follow the whole chain; exit code 1 where it was edited, cut or written by somebody else')
    .option('--export <file>', 'an exported ledger instead of the database: needs no keys')
    .option('--public-key <hex>', "with --export, whose signatures the journal's checkpoints must carry")
    .action(verify);
  withDatabaseOptions(ledger.command('export'))
    .description('write entries and links as lines of JSON; they hold what the ledger holds, no personal data')
    .requiredOption('--out <file>', 'where to write them')
    .action(write);
  withInstanceOptions(ledger.command('public-key'))
    .description('print the key by which others verify what this installation signed')
    .action(printKey);
  ledger.addCommand(newJournalVerb());
  return ledger;
}

async function verify(options: VerifyOptions): Promise<void> {
  const journal = options.journal === undefined ? undefined : fileJournal({ file: options.journal });
  const { publicKey: hex, export: file } = options;
  if (hex !== undefined && (!file || !/^[0-9a-f]{64}$/i.test(hex)))
    throw new ConfigurationError('LEDGER_EXPORT_WITHOUT', { given: hex });
  const report = file
    ? await verifyExport({
        lines: linesOf(file),
        name: file,
        signatures: await ed25519(),
        journal,
        publicKey: hex ? Buffer.from(hex, 'hex') : undefined,
      })
    : await withSettings(options, 'ledger verify', (knex, settings) =>
        inspected(knex, settings, (inspection) => inspection.verifyLedger()),
      );
  say(report);
  if (report.broken.length > 0) process.exitCode = 1;
}

function say({ entries, head, broken, unchecked }: LedgerReport): void {
  for (const { says } of broken) console.log(says);
  const end = head.link ? `, to position ${head.position} with link ${head.link}` : '';
  console.log(
    broken.length === 0 ? `the chain is whole: ${entries} entries${end}` : `${broken.length} places are broken`,
  );
  for (const what of unchecked) console.log(`  not checked: ${what}`);
}

async function write({ out, ...options }: DatabaseOptions & { out: string }): Promise<void> {
  const file = path.resolve(out);
  await withConnection(await configOf(options, 'ledger export'), async (connection) => {
    await connection.query('begin isolation level repeatable read read only');
    const { instance } = await loadCatalogue(connection);
    const lines = async function* (): AsyncGenerator<string> {
      for await (const line of exportedLedger(connection, instance)) yield `${line}\n`;
    };
    await pipeline(Readable.from(lines()), createWriteStream(file, { mode: 0o600 }));
    await connection.query('commit');
  });
  console.log(`wrote ${out}`);
}

async function printKey(options: InstanceOptions): Promise<void> {
  const key = await withSettings(options, 'ledger public-key', (knex, settings) =>
    inspected(knex, settings, async ({ publicKey }) => publicKey),
  );
  console.log(Buffer.from(key).toString('hex'));
}

/** Opened when the first line is asked for: readline forgets what it read before. */
async function* linesOf(file: string): AsyncGenerator<string> {
  yield* createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY });
}
