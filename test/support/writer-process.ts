/**
 * An application that goes on writing, in a process of its own: `node -r ts-node/register test/support/writer-process.ts
 * <url> <key file> <people>`. Renames people with odd ids and adds new ones, until its input ends; then it prints what the
 * names are that it wrote, by id.
 */
import { spawn } from 'node:child_process';
import path from 'node:path';
import knexPackage from 'knex';
import { localKeys, oubli } from '../../src';
import { COMPILED } from './worker';

export interface Writer {
  /** Once it has written something. */
  readonly writing: Promise<void>;
  /** Ends it. @returns the names it wrote, by id */
  stop(): Promise<Record<string, string>>;
  kill(): Promise<void>;
}

export function startWriter(url: string, keyFile: string, people: number): Writer {
  const root = path.join(__dirname, '..', '..');
  const file = path.join(__dirname, 'writer-process.ts');
  const child = spawn(process.execPath, [...COMPILED, file, url, keyFile, String(people)], {
    cwd: root,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  const writing = new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (bytes: Buffer) => {
      text += bytes.toString();
      resolve();
    });
    child.once('exit', (code) => reject(new Error(`the writer ended with ${code} before it wrote`)));
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const stop = async (): Promise<Record<string, string>> => {
    child.stdin.end();
    await ended;
    return JSON.parse(text.slice(text.indexOf('{')));
  };
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  return { writing, stop, kill };
}

async function run([url = '', file = '', people = '1']: string[]): Promise<void> {
  const knex = knexPackage({ client: 'pg', connection: url, pool: { min: 0, max: 2 } });
  const { db, close } = await oubli(knex, { keys: localKeys({ file }) });
  let ended = false;
  process.stdin.resume().once('end', () => {
    ended = true;
  });
  const names: Record<string, string> = {};
  for (let i = 0; !ended; i++) {
    const id = 1 + 2 * ((i * 7919) % Math.floor(Number(people) / 2));
    names[id] = `renamed ${i}`;
    await db('people').where({ id }).update({ name: names[id] });
    const added = Number(people) + i + 1;
    names[added] = `added ${i}`;
    await db('people').insert({ id: added, name: names[added], email: `${added}@example.com` });
    if (i === 0) console.log('writing');
  }
  console.log(JSON.stringify(names));
  await close();
  await knex.destroy();
}

if (require.main === module) void run(process.argv.slice(2));
