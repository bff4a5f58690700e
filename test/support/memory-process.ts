/**
 * An application in a process of its own whose memory is searched: `node -r ts-node/register test/support/memory-process.ts <url>
 * <key file>`. It lives with its keys, rotates them, closes and stays; after each it says so, and waits to be told to go on.
 */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import knexPackage from 'knex';
import { localKeys, type Oubli, oubli } from '../../src';
import { COMPILED } from './worker';

export const ACTS = ['lives', 'has rotated', 'has closed'] as const;

export interface Holder {
  readonly pid: number;
  /** Until it has done the next act, whose name it says. */
  next(): Promise<string>;
  kill(): Promise<void>;
}

export function startHolder(url: string, keyFile: string): Holder {
  const child = spawn(process.execPath, [...COMPILED, __filename, url, keyFile], {
    cwd: path.join(__dirname, '..', '..'),
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const said = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return {
    pid: child.pid as number,
    next: async () => {
      child.stdin.write('\n');
      return (await said.next()).value;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

const PEOPLE = 60;

async function run([url = '', file = '']: string[]): Promise<void> {
  const told = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const knex = knexPackage({ client: 'pg', connection: url, pool: { min: 0, max: 3 } });
  const instance = await oubli(knex, { keys: localKeys({ file }) });
  const acts = [
    () => live(instance),
    () => rotate(instance),
    async () => {
      await instance.db('users').where('id', '>', 2).select();
      await instance.close();
      await knex.destroy();
    },
  ];
  for (const [i, act] of acts.entries()) {
    await told.next();
    await act();
    process.stdout.write(`${ACTS[i]}\n`);
  }
  await told.next();
}

/** All that keys are used for, often enough that the collector runs meanwhile. */
async function live({ db, insertMany }: Oubli): Promise<void> {
  const person = (i: number): object => ({ email: `p${i}@example.org`, name: `n${i}`, crm_id: `c${i}` });
  await db('users').insert(Array.from({ length: PEOPLE / 2 }, (_, i) => person(i)));
  await insertMany(
    'users',
    Array.from({ length: PEOPLE / 2 }, (_, i) => person(PEOPLE / 2 + i)),
  );
  await db('invoices').insert({ user_id: 1, billing_address: 'x', total: 1, issued_on: '2026-01-01' });
  for (let i = 0; i < PEOPLE; i++) {
    await db('users')
      .where({ email: `p${i}@example.org` })
      .update({ name: `r${i}` });
    await db('users').select();
  }
}

/** Also somebody is erased, of whom the law keeps something, somebody restricted, and every key replaced: theirs leave the cache. */
async function rotate({ db, subject, epochs, verifyLedger }: Oubli): Promise<void> {
  await subject('user', 1).erase({ because: 'her request', probe: 'off' });
  await subject('user', 2).restrict({ because: 'she contests it' });
  await subject('user', 2).export({ profile: 'portability' });
  await epochs.rotate({ keep: 'none' });
  await epochs.compromised(2, { because: 'somebody may have read the key file' });
  await db('users').insert({ email: 'late@example.org', name: 'late' });
  await verifyLedger();
}

if (require.main === module) void run(process.argv.slice(2));
