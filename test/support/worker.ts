/** Processes of their own, of this folder's `*-process.ts`, for tests that kill them. */
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';

export interface Worker {
  readonly process: ChildProcess;
  /** What it printed, when it has ended. */
  readonly output: Promise<string>;
  /** Its exit code; null where it was killed. */
  readonly ended: Promise<number | null>;
  kill(): Promise<void>;
}

/** To be given to Node before a file of TypeScript, or `-e` and code that requires one. */
export const COMPILED = ['-r', path.join(__dirname, 'compiled.cjs')] as const;

/** @param file path of its script @param args what it is told */
export function startProcess(file: string, args: readonly string[]): Worker {
  const child = spawn(process.execPath, [...COMPILED, file, ...args], {
    cwd: path.join(__dirname, '..', '..'),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (bytes: Buffer) => {
    text += bytes.toString();
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return {
    process: child,
    output: ended.then(() => text),
    ended,
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
