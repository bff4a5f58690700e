/** A restore drill (ERASURE.md S2): a copy in a scratch database, replayed, verified and dropped, with a dated result. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import knexPackage, { type Knex } from 'knex';
import { type Copier, type DrillReport, drill, dumpTools, fileJournal, type Journal, localKeys } from '../../src';
import { runOubli, startOubli } from '../support/cli';
import { toolsFor } from '../support/dump-tools';
import { addPeople, type Person } from '../support/people';
import { createDatabase, type TestDatabase, testServerUrl } from '../support/postgres';
import { expectFix, failureOf, refusalOf } from '../support/refusals';
import { templateCopier } from '../support/template-copier';
import { until } from '../support/waiting';
import { createWorld, type World } from '../support/world';

const MADE = `
select (select count(*) from pg_class where oid >= 16384)::int as relations,
  (select count(*) from pg_type where oid >= 16384)::int as types,
  (select count(*) from pg_proc where oid >= 16384)::int as functions,
  (select count(*) from pg_namespace where oid >= 16384)::int as schemas`;
const NOTHING = { relations: 0, types: 0, functions: 0, schemas: 0 };

describe('S2: a restore drill', function () {
  this.timeout(120_000);
  let folder: string;
  let file: string;
  let journal: Journal;
  let world: World;
  let scratch: TestDatabase;
  let into: Knex;
  let live: Knex;
  let people: Person[];

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'oubli-drill-'));
    file = path.join(folder, 'oubli.journal');
    journal = fileJournal({ file });
    world = await createWorld({ oubli: { journal }, config: { log: { warn: () => undefined } } });
    people = await addPeople(world.db, 4, '2099-01-01');
    await world.subject('user', people[0]!.id).erase({ because: 'request' });
    scratch = await createDatabase(testServerUrl());
    // whoever is connected is cut off while PostgreSQL copies
    const quiet = { client: 'pg', pool: { min: 0, max: 3 }, log: { warn: () => undefined } };
    into = knexPackage({ ...quiet, connection: scratch.url });
    live = knexPackage({ ...quiet, connection: world.url });
  });
  afterEach(async () => {
    await into.destroy();
    await live.destroy();
    await scratch.drop();
    await world.end();
    await rm(folder, { recursive: true });
  });

  const options = () => ({ keys: localKeys({ file: world.keyFile }), journal });
  const drilled = (copier: Copier): Promise<DrillReport> => drill(live, options(), { into, copier });
  const copied = (...after: string[]): Copier => templateCopier(testServerUrl(), ...after);
  const failedIn = ({ checks }: DrillReport) => checks.filter(({ wrong }) => wrong > 0).map(({ check }) => check);

  it('S2: counts what it looked at, writes a dated result of names and counts, and leaves nothing', async () => {
    await world.epochs.rotate({ keep: 'none' });
    const before = await readFile(file, 'utf8');
    const report = await drilled(copied());
    const looked = Object.fromEntries(report.checks.map(({ check, looked: count, wrong }) => [check, [count, wrong]]));
    expect(report.passed).to.equal(true);
    expect(looked).to.deep.include({
      replayed: [0, 0],
      served: [1, 0],
      chain: [6, 0],
      erased: [1, 0],
      fence: [1, 0],
      dropped: [0, 0],
    });
    expect(looked.restored![0]).to.be.greaterThan(20);
    const [entry] = await world.plain('oubli.ledger').where({ act: 'drilled' });
    expect(entry).to.deep.include({ entry: report.entry, key_id: null });
    const [{ drained_at: since }] = await world.plain('oubli.epoch').where({ id: 1 });
    expect(report.restorable, 'how far back a backup may go').to.deep.equal({ since, next: undefined });
    expect(entry.details).to.deep.equal({
      passed: true,
      checks: report.checks,
      restorable: { since: since.toISOString() },
    });
    expect((await into.raw(MADE)).rows).to.deep.equal([NOTHING]);
    // the journal heard of the result, and of nothing that happened in the copy
    const added = (await readFile(file, 'utf8')).slice(before.length).trimEnd().split('\n');
    expect(added.map((line) => JSON.parse(line).act)).to.deep.equal(['drilled']);
    expect((await world.verifyLedger()).broken).to.deep.equal([]);
  });

  it('S2: erases again, in the copy alone, who was erased while it was made', async () => {
    const late: Copier = {
      ready: async () => undefined,
      copy: async (from, to) => {
        await copied().copy(from, to);
        await world.subject('user', people[1]!.id).erase({ because: 'request' });
      },
    };
    const report = await drilled(late);
    expect(report.passed).to.equal(true);
    expect(report.checks.find(({ check }) => check === 'replayed')).to.include({ looked: 1 });
    const acts = await world.plain('oubli.ledger').orderBy('entry').pluck('act');
    expect(acts).to.deep.equal(['requested', 'erased', 'examined', 'requested', 'erased', 'examined', 'drilled']);
  });

  it('S2: a copy whose ledger lost an entry fails at its chain, and the ledger says so', async () => {
    const report = await drilled(
      copied('alter table oubli.ledger disable trigger all', `delete from oubli.ledger where act = 'requested'`),
    );
    expect(failedIn(report)).to.deep.equal(['chain']);
    expect(report.passed).to.equal(false);
    const [entry] = await world.plain('oubli.ledger').where({ act: 'drilled' });
    expect(entry.details).to.deep.include({ passed: false });
    expect((await into.raw(MADE)).rows).to.deep.equal([NOTHING]);
  });

  it('S2: a copy without its fence fails there', async () => {
    const report = await drilled(copied('delete from oubli.fence'));
    expect(failedIn(report)).to.deep.equal(['fence']);
  });

  it('S2: a copy under other keys fails before anything is verified with them', async () => {
    const report = await drilled(copied(`update oubli.instance set index_canary = decode(repeat('00', 16), 'hex')`));
    expect(report.checks.map(({ check, wrong }) => [check, wrong])).to.deep.equal([
      ['restored', 0],
      ['replayed', 1],
      ['dropped', 0],
    ]);
    expect(report.checks[1]).to.include({ code: 'WRONG_ROOT_KEY' });
    const [entry] = await world.plain('oubli.ledger').where({ act: 'drilled' });
    expect(JSON.stringify(entry.details)).to.contain('WRONG_ROOT_KEY').and.not.to.contain('says');
  });

  it('S2: a person whom a hold keeps in the copy, though the journal names her, fails the drill', async () => {
    await world.holds.open({ name: 'case 1', ground: 'lawsuit' });
    const held: Copier = {
      ready: async () => undefined,
      copy: async (from, to) => {
        await world.holds.place('case 1', world.subject('user', people[1]!.id));
        await copied().copy(from, to);
        await world.holds.release('case 1', { because: 'settled' });
        await world.subject('user', people[1]!.id).erase({ because: 'request' });
      },
    };
    const report = await drilled(held);
    expect(failedIn(report)).to.deep.equal(['replayed']);
    expect(report.checks[1]).to.include({ code: 'REPLAY_INCOMPLETE' });
  });

  it('S2: refuses a database that is not empty, were it only a function, and touches nothing in it', async () => {
    await into.raw('create function nothing() returns int language sql return 1');
    const error = await failureOf(() => drilled(copied()));
    expect(error).to.include({ name: 'ConfigurationError', code: 'SCRATCH_NOT_EMPTY' });
    expect((await into.raw('select nothing() as n')).rows).to.deep.equal([{ n: 1 }]);
    const own = await failureOf(() => drill(world.plain, options(), { into: world.plain, copier: copied() }));
    expect(own).to.include({ code: 'SCRATCH_NOT_EMPTY' });
    expect(await world.plain('oubli.ledger').where({ act: 'drilled' })).to.deep.equal([]);
  });

  it('S2: the copy of everybody that a killed drill left is dropped by the next one, and nothing that nobody marked', async () => {
    const began = path.join(folder, 'began');
    const version = (name: string): string =>
      `if [ "$1" = --version ]; then echo "${name} (PostgreSQL) 99.0"; exit; fi`;
    const pgDump = await fakeTool(folder, 'pg_dump', `${version('pg_dump')}; echo > ${began}; exec sleep 20`);
    const pgRestore = await fakeTool(folder, 'pg_restore', `${version('pg_restore')}; cat > /dev/null`);
    const where = ['--url', world.url, '--keys', world.keyFile, '--journal', file, '--into', scratch.url];
    const killed = startOubli(['drill', ...where, '--pg-dump', pgDump, '--pg-restore', pgRestore]);
    await until('the copying', () => readFile(began).then(Boolean, () => false));
    await killed.kill();
    // as far as pg_restore had come
    await into.raw('create table copied (name text); create function f(copied) returns int language sql return 1');
    const report = await drilled(copied());
    expect(report.passed, JSON.stringify(report.checks)).to.equal(true);
    expect((await into.raw(MADE)).rows).to.deep.equal([NOTHING]);
    await into.raw('create schema oubli_drill');
    expect(await failureOf(() => drilled(copied()))).to.include({ code: 'SCRATCH_NOT_EMPTY' });
  });

  it('S2: drops whatever can be made in a database: extensions, event triggers, large objects, odd names', async () => {
    const made = [
      `create type public."odd type; --" as enum ('a')`,
      `create table public."odd ""table" (a public."odd type; --", b int generated always as identity)`,
      'create statistics public.some on a, b from public."odd ""table"',
      'create view public.v as select * from public."odd ""table"',
      'create function public.f(public.v) returns int language sql return 1',
      'create aggregate public.total(int) (sfunc = int4pl, stype = int)',
      'create procedure public.p() language sql begin atomic select 1; end',
      `create function public.t() returns event_trigger language plpgsql as 'begin end'`,
      'create operator public.=== (leftarg = int, rightarg = int, function = int4eq)',
      'create event trigger odd on ddl_command_end execute function public.t()',
      `select lo_from_bytea(0, 'x')`,
      'create publication everything for all tables',
      'create domain public.d as text',
      'create collation public.c from "C"',
      'create schema "odd schema" create table inside (id int)',
    ];
    const report = await drilled(copied(...made));
    expect(failedIn(report), JSON.stringify(report.checks)).to.deep.equal([]);
    expect(report.passed).to.equal(true);
    expect((await into.raw(MADE)).rows).to.deep.equal([NOTHING]);
    expect((await into.raw('select count(*)::int as n from pg_largeobject_metadata')).rows).to.deep.equal([{ n: 0 }]);
  });

  it('S2: refuses programs that are missing, or older than the server, before anything is copied', async () => {
    const missing = await refusalOf(() => drilled(dumpTools({ pgDump: path.join(folder, 'pg_dump') })));
    expect(missing).to.include({ name: 'ConfigurationError', code: 'DUMP_TOOL_MISSING' });
    expect(missing.message).to.contain('ENOENT');
    expectFix(missing, /--pg-dump \/usr\/lib\/postgresql\/\d+\/bin\/pg_dump/);
    const stranger = await failureOf(() => drilled(dumpTools({ pgDump: process.execPath })));
    expect(stranger).to.include({ code: 'DUMP_TOOL_MISSING' });
    const old = await fakeTool(folder, 'pg_dump', 'echo "pg_dump (PostgreSQL) 9.6.24"');
    expect(await failureOf(() => drilled(dumpTools({ pgDump: old })))).to.include({ code: 'DUMP_TOOL_OLD' });
    const newer = await fakeTool(folder, 'pg_dump', 'echo "pg_dump (PostgreSQL) 99.1"');
    const older = await fakeTool(folder, 'pg_restore', 'echo "pg_restore (PostgreSQL) 98.0"');
    const behind = await refusalOf(() => drilled(dumpTools({ pgDump: newer, pgRestore: older })));
    expect(behind).to.include({ code: 'DUMP_TOOL_OLD' });
    expectFix(behind, /--pg-restore/);
    expect(await world.plain('oubli.ledger').where({ act: 'drilled' })).to.deep.equal([]);
  });

  it('S2: says which program failed and at what, and repeats no row; no password stands in its arguments', async () => {
    const told = path.join(folder, 'told');
    const script = (name: string, more: string) =>
      fakeTool(
        folder,
        name,
        `if [ "$1" = --version ]; then echo "${name} (PostgreSQL) 99.0"; exit; fi
echo "${name} $* PGPASSWORD=$PGPASSWORD" >> ${told}
${more}`,
      );
    const pgDump = await script('pg_dump', 'echo dump');
    const pgRestore = await script(
      'pg_restore',
      `cat > /dev/null
echo "pg_restore: from TOC entry 3521; 2618 16550 TABLE DATA public users postgres" >&2
echo "pg_restore: error: COPY failed for table users: Key (email)=(ada@example.org)" >&2
exit 3`,
    );
    const report = await drilled(dumpTools({ pgDump, pgRestore }));
    expect(failedIn(report)).to.deep.equal(['restored']);
    const [restored] = report.checks;
    expect(restored!.code).to.equal('COPY_FAILED');
    expect(restored!.says).to.contain('exit code 3').and.to.contain('TABLE DATA public users');
    expect(JSON.stringify(await world.plain('oubli.ledger'))).not.to.contain('ada@example.org');
    expect(restored!.says).not.to.contain('ada@');
    const { password } = new URL(world.url);
    for (const line of (await readFile(told, 'utf8')).trimEnd().split('\n')) {
      const [args, env] = line.split(' PGPASSWORD=');
      expect(args).not.to.contain(password);
      expect(env).to.equal(password);
    }
  });

  it('S2: with pg_dump and pg_restore, on the command line', async function () {
    const tools = await toolsFor(testServerUrl());
    if (typeof tools === 'string') {
      this.test!.title += ` (skipped: ${tools})`;
      return this.skip();
    }
    const where = ['--url', world.url, '--keys', world.keyFile, '--journal', file, '--into', scratch.url];
    const done = await runOubli(['drill', ...where, '--pg-dump', tools.dump, '--pg-restore', tools.restore]);
    expect(done).to.include({ code: 0, stderr: '' });
    expect(done.stdout).to.contain('passed: entry').and.to.contain('what the drill made is dropped');
    expect((await into.raw(MADE)).rows).to.deep.equal([NOTHING]);
  });

  it('S2: on the command line says what is wrong, with exit code 1', async () => {
    const where = ['--url', world.url, '--keys', world.keyFile, '--journal', file, '--into', scratch.url];
    const done = await runOubli(['drill', ...where, '--pg-dump', path.join(folder, 'nowhere')]);
    expect(done).to.include({ code: 1 });
    expect(done.stderr).to.contain('cannot be run (ENOENT)').and.to.contain('fix: npx oubli drill');
  });
});

async function fakeTool(folder: string, name: string, script: string): Promise<string> {
  const tool = path.join(folder, name);
  await writeFile(tool, `#!/bin/sh\n${script}\n`, { mode: 0o700 });
  return tool;
}
