/** `oubli due --before DAY`: who would leave before a day, under the rules as they are or under a proposed one. Writes nothing. */
import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { afterwards } from '../afterwards';
import { loadCatalogue } from '../catalogue/load';
import { ConfigurationError } from '../errors';
import { type DueOptions, type DueReport, foresee } from '../lifecycle/foresight';
import type { ProposedRule } from '../lifecycle/proposed-rule';
import type { Queryable } from '../queryable';
import { verifySchema } from '../schema/install';
import { configOf, type DatabaseOptions, withConnection, withDatabaseOptions } from './database';

interface Options extends DatabaseOptions {
  readonly before: string;
  readonly rule?: string;
  readonly proposed?: string;
  readonly from?: string;
  readonly keep?: string;
  readonly timeZone?: string;
  readonly list?: true;
  readonly scan?: true;
}

export function dueVerb(): Command {
  return withDatabaseOptions(new Command('due'))
    .description(
      'say who would leave before a day, under the rules as they are or under a proposed one; nothing is written',
    )
    .requiredOption('--before <day>', "2027-01-01, on each rule's calendar")
    .option('--rule <name>', 'only this rule: subject:user, rows:public.invoices')
    .option('--proposed <file>', 'what would be declared in its place, as JSON: { "keep": "3 months" }')
    .option('--from <anchor>', 'a proposed start: a column, or an anchor as JSON')
    .option('--keep <period>', 'a proposed period: 3 months')
    .option('--time-zone <name>', 'a proposed time zone: Europe/Paris')
    .option('--list', 'print the ids, oldest first')
    .option('--scan', 'read every row where no index finds what a proposed rule is about')
    .action(due);
}

async function due({ before, rule, list, scan, ...options }: Options): Promise<void> {
  const proposed = await proposedBy(options);
  const config = await configOf(options, 'due');
  const wanted: DueOptions = {
    before,
    ...(rule === undefined ? {} : { rule }),
    ...(proposed ? { proposed } : {}),
    ...(scan ? { scan } : {}),
    ...(list ? { onIds: print } : {}),
  };
  const reports = await withConnection(config, (connection) =>
    withoutWriting(connection, () => foreseen(connection, wanted)),
  );
  for (const report of reports) console.log(written(report, before));
}

function print(rule: string, ids: readonly string[]): void {
  for (const id of ids) console.log(`${rule}\t${id}`);
}

async function foreseen(connection: Queryable, options: DueOptions): Promise<DueReport[]> {
  await verifySchema(connection);
  return foresee(await loadCatalogue(connection), connection, options);
}

/** PostgreSQL itself sees to it. */
async function withoutWriting<T>(connection: Queryable, work: () => Promise<T>): Promise<T> {
  await connection.query('begin isolation level repeatable read read only');
  return afterwards(work, () => connection.query('rollback'));
}

function written({ rule, from, count, first, last }: DueReport, before: string): string {
  const when = first === last ? `on ${first}` : `from ${first} to ${last}`;
  return count === 0 ? `${rule}: nobody before ${before} (${from})` : `${rule}: ${count} due ${when} (${from})`;
}

/** @throws ConfigurationError BAD_PROPOSED */
async function proposedBy({
  proposed: file,
  from,
  keep,
  timeZone,
}: Options | Omit<Options, 'before'>): Promise<ProposedRule | undefined> {
  const parts: Record<string, unknown> = file === undefined ? {} : await parsedFile(file);
  if (from !== undefined) parts.from = from.trim().startsWith('{') ? parsed(from, '--from') : from;
  if (keep !== undefined) parts.keep = keep;
  if (timeZone !== undefined) parts.timeZone = timeZone;
  return Object.keys(parts).length === 0 ? undefined : (parts as ProposedRule);
}

async function parsedFile(file: string): Promise<Record<string, unknown>> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new ConfigurationError('BAD_PROPOSED', { file, what: `cannot be read (${error.code})` });
  });
  return parsed(text, file);
}

function parsed(text: string, file: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ConfigurationError('BAD_PROPOSED', { file, what: 'is no JSON' });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new ConfigurationError('BAD_PROPOSED', { file, what: 'holds no object of named options' });
}
