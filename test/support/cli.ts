/** The command line as a child process: `oubli …` with its output and its exit code, or killed on the way. */
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { COMPILED } from './worker';

const repository = path.join(__dirname, '../..');
const main = path.join(repository, 'src/cli/main.ts');

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly process: ChildProcess;
  readonly outcome: Promise<Outcome>;
  /** As the kernel does it when memory is short. */
  kill(): Promise<void>;
}

export interface Surroundings {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** What is typed; the end of the input comes after it. */
  readonly input?: string;
}

/** Without a database, unless `env` names one. */
export function startOubli(
  args: readonly string[],
  { cwd = repository, env = {}, input = '' }: Surroundings = {},
): Running {
  const child = spawn(process.execPath, [...COMPILED, main, ...args], {
    cwd,
    env: { ...process.env, DATABASE_URL: '', ...env },
  });
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].on('data', (bytes: Buffer) => {
      said[stream] += bytes.toString();
    });
  child.stdin.end(input);
  const outcome = new Promise<Outcome>((resolve) => {
    child.once('close', (code) => resolve({ code: code ?? -1, ...said }));
  });
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await outcome;
  };
  return { process: child, outcome, kill };
}

export function runOubli(args: readonly string[], surroundings: Surroundings = {}): Promise<Outcome> {
  return startOubli(args, surroundings).outcome;
}
