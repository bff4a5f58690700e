/**
 * `pg_dump` and `pg_restore`, one's output being the other's input: nothing of the copy is ever on a disk outside the databases.
 *
 * What they print on failure may quote rows, so it is not repeated; the name of what they worked on is.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { pipeline } from 'node:stream/promises';
import { ConfigurationError, DrillError } from '../errors';

/** How a drill makes its copy. */
export interface Copier {
  /** Refuses what cannot work, before anything is touched. @throws ConfigurationError */
  ready(from: Server, into: Server): Promise<void>;
  /** @throws DrillError */
  copy(from: Server, into: Server): Promise<void>;
}

export interface Server {
  /** Of a child process that is to reach the database. */
  readonly environment: NodeJS.ProcessEnv;
  readonly database: string;
  /** 18. */
  readonly major: number;
}

export interface DumpTools {
  /** `pg_dump` on the PATH unless given: at least as new as the server (PostgreSQL manual, pg_dump, Notes). */
  readonly pgDump?: string;
  /** `pg_restore` on the PATH unless given: at least as new as `pg_dump`. */
  readonly pgRestore?: string;
}

const DUMP = ['--format=custom', '--compress=0', '--no-password'];
/** Roles, rights and what other servers hear of are those of the live database, and not restored. */
const RESTORE = [
  '--exit-on-error',
  '--no-owner',
  '--no-privileges',
  '--no-tablespaces',
  '--no-publications',
  '--no-subscriptions',
  '--no-password',
];
const VERSION = /\(PostgreSQL\) (\d+)/;
/** `pg_restore: from TOC entry 3521; 2618 16550 TABLE DATA public users postgres`: names, no row. */
const WORKED_ON = /from TOC entry \d+; \d+ \d+ (.+)$/m;

/** @example await drill(knex, options, { into, copier: dumpTools({ pgDump: '/usr/lib/postgresql/18/bin/pg_dump' }) }); */
export function dumpTools({ pgDump = 'pg_dump', pgRestore = 'pg_restore' }: DumpTools = {}): Copier {
  return {
    ready: async (from, into) => {
      const dump = await majorOf(pgDump, '--pg-dump', from.major);
      refuseOlder(pgDump, '--pg-dump', dump, from.major);
      const restore = await majorOf(pgRestore, '--pg-restore', dump);
      refuseOlder(pgRestore, '--pg-restore', restore, Math.max(dump, into.major));
    },
    copy: async (from, into) => {
      const dump = spawn(pgDump, DUMP, { env: from.environment, stdio: ['ignore', 'pipe', 'pipe'] });
      const args = [...RESTORE, `--dbname=dbname=${quotedForLibpq(into.database)}`];
      const restore = spawn(pgRestore, args, { env: into.environment, stdio: ['pipe', 'ignore', 'pipe'] });
      const ends = [ended(dump, pgDump), ended(restore, pgRestore)];
      // whose end broke it is told by the program that failed first
      const piped = pipeline(dump.stdout, restore.stdin).then(
        () => undefined,
        (error: unknown) => error,
      );
      await Promise.all(ends);
      const broken = await piped;
      if (broken) throw broken;
    },
  };
}

async function majorOf(tool: string, option: string, needed: number): Promise<number> {
  const said = await outputOf(tool).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigurationError('DUMP_TOOL_MISSING', { tool, option, needed, why: error.code });
  });
  const major = Number(VERSION.exec(said)?.[1]);
  if (!major) throw new ConfigurationError('DUMP_TOOL_MISSING', { tool, option, needed });
  return major;
}

function refuseOlder(tool: string, option: string, major: number, needed: number): void {
  if (major < needed) throw new ConfigurationError('DUMP_TOOL_OLD', { tool, option, major, needed });
}

function outputOf(tool: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(tool, ['--version'], { stdio: ['ignore', 'pipe', 'ignore'] });
    let said = '';
    child.stdout.on('data', (bytes: Buffer) => {
      said += bytes.toString();
    });
    child.once('error', reject).once('close', () => resolve(said));
  });
}

/** @throws DrillError COPY_FAILED */
function ended(child: ChildProcess, tool: string): Promise<void> {
  let place: string | undefined;
  child.stderr?.on('data', (bytes: Buffer) => {
    place ??= WORKED_ON.exec(bytes.toString())?.[1];
  });
  return new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(new DrillError('COPY_FAILED', { tool, why: error.code })),
    );
    child.once('close', (code, signal) => {
      if (code === 0) resolve();
      else reject(new DrillError('COPY_FAILED', { tool, why: signal ?? `exit code ${code}`, place }));
    });
  });
}

/** As a connection text has it (PostgreSQL manual 34.1.1). */
function quotedForLibpq(name: string): string {
  return `'${name.replaceAll(/['\\]/g, '\\$&')}'`;
}
