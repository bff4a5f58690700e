/** Processes that the benches start: each says `ready`, is told to go by its input, and prints its result as the last line. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

export interface BenchProcess {
  /** A line on its input. */
  go(): void;
  /** Its input ends. @returns what it printed last, as JSON */
  result(): Promise<unknown>;
}

export async function startBenchProcess(file: string, args: readonly string[]): Promise<BenchProcess> {
  const root = path.join(__dirname, '..', '..');
  const script = path.join(__dirname, file);
  const child = spawn(process.execPath, ['-r', 'ts-node/register', script, ...args], {
    cwd: root,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  const closed = once(child, 'close');
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (bytes: Buffer) => {
      text += bytes.toString();
      if (text.startsWith('ready\n')) resolve();
    });
    child.once('exit', (code) => reject(new Error(`${file} ended with ${code} before it was ready`)));
  });
  return {
    go: () => void child.stdin.write('go\n'),
    result: async () => {
      child.stdin.end();
      await closed;
      return JSON.parse(text.trim().split('\n').at(-1) ?? '');
    },
  };
}
