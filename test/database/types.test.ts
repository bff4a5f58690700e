/** `oubli types`: what it writes compiles, in every way in which applications resolve modules, and says of each row what is true. */
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { runOubli } from '../support/cli';
import { createWorld, type World } from '../support/world';

const run = promisify(execFile);
const repository = path.join(__dirname, '..', '..');
const compiler = path.join(repository, 'node_modules', 'typescript-7', 'bin', 'tsc');

/** What an application says of its rows; each line that must not compile says so itself. */
const USAGE = `
import type { Knex } from 'knex';
import type { UsersRow } from './tables';
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function same<A, B>(proof: Equal<A, B>): void;
declare const db: Knex;

export async function read(): Promise<void> {
  const user = await db('users').where({ id: 1 }).first();
  if (!user) return;
  same<typeof user.id, number>(true);
  same<typeof user.name, string | null>(true);
  same<typeof user.email, string | null>(true); // NOT NULL, and null once its person was erased
  same<UsersRow['email'], string>(true);
  same<typeof user.birth_date, Date | null>(true);
  // @ts-expect-error it may be null
  user.email.toLowerCase();
  // @ts-expect-error no such column
  user.emial;
  const [kind] = await db('many_types');
  if (!kind) return;
  same<typeof kind.big, string>(true);
  same<typeof kind.amount, string | null>(true);
  same<typeof kind.mood, 'sad' | 'so so' | null>(true);
  same<typeof kind.tags, (string | null)[] | null>(true);
  same<typeof kind.at, Date>(true);
  same<typeof kind.document, unknown>(true);
  same<typeof kind.photo, Buffer | null>(true);
  same<typeof kind.nested, number | null>(true);
  same<(typeof kind)['odd name'], boolean | null>(true);
  same<Awaited<ReturnType<typeof invoices>>[number]['n'], number | null>(true);
}
const invoices = () => db('billing.invoices');

export async function write(): Promise<void> {
  await db('users').insert({ email: 'ada@example.org', birth_date: '1815-12-10' });
  await db('users').where({ id: 1 }).update({ name: null, service_ended_on: new Date() });
  await db('many_types').insert({ big: 9007199254740993n, at: '2026-01-02T03:04:05Z', amount: 12.5 });
  // @ts-expect-error an e-mail address is needed
  await db('users').insert({ name: 'Ada' });
  // @ts-expect-error null is not what may be written
  await db('users').insert({ email: null });
  // @ts-expect-error no such column
  await db('users').where({ id: 1 }).update({ emial: 'x' });
}
`;

describe('oubli types', function () {
  this.timeout(60_000);
  let world: World;
  let folder: string;
  before(async () => {
    world = await createWorld();
    folder = mkdtempSync(path.join(tmpdir(), 'oubli-types-'));
    symlinkSync(path.join(repository, 'node_modules'), path.join(folder, 'node_modules'));
    await world.plain.raw(`create type mood as enum ('sad', 'so so'); create domain small as int; create domain smaller as small;
      create table many_types (big bigint not null, amount numeric(6,2), mood mood, tags text[], at timestamptz not null,
        document jsonb, photo bytea, nested smaller, "odd name" boolean, span interval, place point);
      create schema billing; create table billing.invoices (n int); create table "users-row" (id int); create table "users row" (id int);
      create view names as select id, name from users;
      create table parted (id int) partition by range (id); create table part_of_it partition of parted for values from (0) to (9)`);
  });
  after(async () => {
    rmSync(folder, { recursive: true, force: true });
    await world.end();
  });

  const types = (...args: string[]) => runOubli(['types', ...args], { cwd: folder, env: { DATABASE_URL: world.url } });

  it('compile for ES modules, CommonJS and bundlers, and know which values an erasure can take', async () => {
    const written = await types('--out', 'tables.d.ts');
    expect([written.code, written.stdout, written.stderr]).to.deep.equal([0, 'wrote tables.d.ts\n', '']);
    for (const [name, type, flags] of [
      ['esm', 'module', ['--module', 'nodenext']],
      ['cjs', 'commonjs', ['--module', 'nodenext']],
      ['bundled', 'module', ['--module', 'preserve', '--moduleResolution', 'bundler']],
    ] as const) {
      const place = path.join(folder, name);
      mkdirSync(place);
      copyFileSync(path.join(folder, 'tables.d.ts'), path.join(place, 'tables.d.ts'));
      writeFileSync(path.join(place, 'package.json'), JSON.stringify({ type }));
      const imported = type === 'module' && name !== 'bundled' ? USAGE.replace("'./tables'", "'./tables.js'") : USAGE;
      writeFileSync(path.join(place, 'usage.ts'), imported);
      writeFileSync(path.join(place, 'tsconfig.json'), JSON.stringify(configured()));
      await run(process.execPath, [compiler, '-p', place, ...flags], { cwd: place }).catch(
        (error: { stdout: string }) => {
          throw new Error(`${name} does not compile:\n${error.stdout}`);
        },
      );
    }
  });

  /** Of `oubli` the one type that is imported; the package as it is packed is compiled in package.test.ts. */
  function configured(): object {
    return {
      compilerOptions: {
        strict: true,
        noEmit: true,
        target: 'es2022',
        types: ['node'],
        skipLibCheck: true,
        paths: { oubli: [path.join(repository, 'src', 'schema', 'protected.ts')] },
      },
      files: ['tables.d.ts', 'usage.ts'],
    };
  }

  it('are printed, of the tables that were named, by their names in SQL', async () => {
    const { stdout } = await types('billing.invoices', 'users');
    expect(stdout.match(/^export interface \w+/gm)).to.deep.equal([
      'export interface UsersRow',
      'export interface BillingInvoicesRow',
    ]);
    expect(stdout).to.contain(`  email: string;\n  birth_date: Date | null;\n  last_ip: string | null;\n`);
    expect(stdout).to.match(
      /^ {4}users: Protected<UsersRow, "name" \| "email" \| "birth_date", "id" \| "name" \| "birth_date" \| .*>;$/m,
    );
    expect(stdout).to.contain('    "billing.invoices": Protected<BillingInvoicesRow, never, "n">;');
  });

  it('hold views, and partitioned tables without their partitions, and no name twice', async () => {
    const { stdout } = await types();
    expect(stdout).to.match(/^ {4}names: Protected<NamesRow, "name", .*>;$/m);
    expect(stdout).to.contain('    parted: ').and.not.to.contain('part_of_it');
    const names = stdout.match(/^export interface \w+/gm) ?? [];
    expect(new Set(names).size).to.equal(names.length);
    expect(names.filter((name) => name.includes('UsersRow')).length).to.equal(3);
  });

  it("do not speak of Knex's own tables unless they are asked for, and of no others like them", async () => {
    await world.plain.raw(`create table knex_migrations (id serial primary key, name varchar(255), batch int, migration_time timestamptz);
      create table knex_migrations_lock (index serial primary key, is_locked int);
      create schema steps; create table steps.history (id serial, name varchar(255), batch int, migration_time timestamptz);
      create table steps.history_lock (index serial, is_locked int); create table steps.index_lock (index serial, is_locked int)`);
    const { stdout } = await types();
    expect(stdout.match(/^ {4}.*(migrations|steps)\S*:/gm)).to.deep.equal(['    "steps.index_lock":']);
    const asked = await types('knex_migrations');
    expect(asked.stdout).to.contain('    knex_migrations: Protected<');
  });

  it('refuse a table that is not there', async () => {
    const { code, stderr } = await types('nowhere');
    expect(code).to.equal(1);
    expect(stderr).to.match(/^oubli: types\(\): there is no table nowhere\n {2}fix: npx oubli types nowhere/);
  });
});
