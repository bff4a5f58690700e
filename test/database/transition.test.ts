/** A table with rows on its way to being sealed: what `oubli backfill` does to it, what may happen meanwhile, and what is left. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { AnnotationError, annotate, install, type Progress, SCHEMA_VERSION } from '../../src';
import { runOubli, startOubli } from '../support/cli';
import { testServerUrl } from '../support/postgres';
import { expectFix, refusalOf } from '../support/refusals';
import { until } from '../support/waiting';
import { createWorld, type World } from '../support/world';
import { startWriter } from '../support/writer-process';

const PEOPLE = 3000;
const COLUMNS = {
  left_on: { notPersonal: 'the event that starts the clock' },
  name: { category: 'identity.name', protect: 'encrypt' },
  email: { category: 'contact.email', protect: 'encrypt', search: 'email', unique: true },
} as const;

async function installOnly(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
}

describe('A table in transition', function () {
  this.timeout(180_000);
  let world: World;
  /** Ends what a test that failed left running, or holding a row. */
  let cleanUp: (() => Promise<unknown>)[];
  beforeEach(async () => {
    cleanUp = [];
    world = await createWorld({ migrate: installOnly });
    await sql(`create table people (id int primary key, left_on date, name text, email text) with (autovacuum_enabled = off);
      alter table people alter column name set statistics 55;
      insert into people select n, null, 'Canary ' || n || repeat(' x', 40), n || '@example.org'
        from generate_series(1, ${PEOPLE}) n`);
  });
  afterEach(async () => {
    for (const clean of cleanUp) await clean();
    await world.end();
  });

  const sql = (text: string): Promise<{ rows: Record<string, unknown>[] }> =>
    world.plain.raw(text.replaceAll('?', '\\?')).then((answer) => answer);
  const declare = (): Promise<void> =>
    annotate(world.plain, 'people', {
      subject: {
        kind: 'person',
        purpose: 'tests',
        basis: 'contract',
        retention: { from: 'left_on', keep: '6 months', then: 'erase' },
      },
      columns: COLUMNS,
    });
  const settings = (): NodeJS.ProcessEnv => ({ DATABASE_URL: world.url });
  const backfillArgs = (): string[] => ['backfill', 'people', '--keys', world.keyFile, '--load', '1'];
  const unsealed = async (column: string): Promise<number> => {
    const { rows } = await sql(
      `select count(*)::int as n from people where substring(${column}::bytea from 1 for 3) <> '\\xa70b01'`,
    );
    return Number(rows[0]?.n);
  };

  it('was rewritten once, however many columns are to be sealed', async () => {
    await sql(`create table rewritten (tag text);
      create function note_rewrite() returns event_trigger language plpgsql as $$
      begin insert into rewritten values (pg_event_trigger_table_rewrite_oid()::regclass::text); end $$;
      create event trigger rewrites on table_rewrite execute function note_rewrite()`);
    await declare();
    expect(await world.plain('rewritten').pluck('tag')).to.deep.equal(['people']);
  });

  it('is not sampled while plaintext is in it, and its statistics know only what is sealed afterwards', async () => {
    const samples = async (): Promise<string> =>
      JSON.stringify(
        (
          await sql(`select histogram_bounds::text, most_common_vals::text from pg_stats where tablename = 'people'
          and attname in ('name', 'email') order by attname`)
        ).rows,
      );
    await sql('analyze people');
    expect(await samples())
      .to.contain('Canary')
      .and.to.contain('@example.org');
    await declare();
    await sql('analyze people');
    expect(await samples()).to.equal('[]');
    const { backfill } = await world.another();
    await backfill('people', { load: 1 });
    expect(await samples())
      .to.match(/a70b01.*"histogram_bounds.*a70b01/)
      .and.not.match(/Canary|43616e617279|example/);
    const targets = await sql(`select attname, nullif(attstattarget, -1) as target from pg_attribute
      where attrelid = 'people'::regclass and attname in ('email', 'name') order by attname`);
    expect(targets.rows.map(({ attname, target }) => [attname, target])).to.deep.equal([
      ['email', null],
      ['name', 55],
    ]);
  });

  it('says how far its backfill is, in blocks and in rows', async () => {
    await declare();
    const { backfill } = await world.another();
    const told: Progress[] = [];
    await backfill('people', { load: 1, onProgress: (progress) => told.push(progress) });
    const first = told.filter(({ pass }) => pass === 1);
    expect(first.length).to.be.greaterThan(2);
    expect(first.map(({ done }) => done)).to.deep.equal(first.map(({ done }) => done).toSorted((a, b) => a - b));
    expect(first.at(-1)).to.include({ rows: PEOPLE, done: first[0]?.of });
  });

  it('with equal values where there may be none says how many, and which rows, by a query', async () => {
    await sql(`update people set email = 'TWICE@example.org' where id in (7, 8); update people set email = 'twice@Example.org' where id = 9;
      update people set email = 'again@example.org' where id in (100, 200)`);
    await declare();
    const { backfill } = await world.another();
    const error = await refusalOf(() => backfill('people', { load: 1 }));
    expect(error)
      .to.be.instanceOf(AnnotationError)
      .and.to.include({ code: 'DUPLICATES', table: 'people', column: 'email' });
    expect(error.message).to.contain('2 of its values stand in several rows');
    expectFix(error, /then npx oubli backfill people$/, ['wice@', 'again@']);
    const [query = ''] = error.fix.split('  --');
    const rows = (await sql(query)).rows.map((row) => (row.rows as number[]).toSorted((a, b) => a - b));
    expect(rows).to.have.deep.members([
      [7, 8, 9],
      [100, 200],
    ]);
    expect((await sql('select distinct state from oubli.element')).rows).to.deep.equal([{ state: 'transition' }]);
    await world.plain('people').whereIn('id', [8, 9, 200]).del();
    expect(await backfill('people')).to.deep.include({ rows: 0, columns: ['name', 'email'] });
  });

  it('survives a backfill that is killed, and an application that goes on writing, and ends without plaintext', async () => {
    await declare();
    const writer = startWriter(world.url, world.keyFile, PEOPLE);
    cleanUp.push(writer.kill);
    await writer.writing;
    const holding = await world.plain.transaction();
    cleanUp.push(async () => holding.isCompleted() || holding.rollback());
    const held = await holding.raw('select pg_backend_pid() as pid from people where id = ? for update', [PEOPLE / 2]);
    const killed = startOubli(backfillArgs(), { env: settings() });
    cleanUp.push(killed.kill);
    await until(
      'the backfill has come to the row that is held',
      async () => {
        const { rows } = await world.plain.raw('select from pg_stat_activity where ? = any(pg_blocking_pids(pid))', [
          held.rows[0].pid,
        ]);
        return rows.length > 0;
      },
      90,
    );
    await killed.kill();
    await holding.rollback();
    const even = await world.plain('people').whereIn('id', [2, PEOPLE]).orderBy('id').pluck('name');
    expect(even.map((name: Buffer) => name.subarray(0, 3).toString('hex') === 'a70b01')).to.deep.equal([true, false]);

    const { code, stdout, stderr } = await runOubli(backfillArgs(), { env: settings() });
    const written = await writer.stop();
    expect([code, stderr.replace(/^backfill: .*\n/gm, '')]).to.deep.equal([0, '']);
    expect(stderr).to.match(/^backfill: pass 1, 100% of \d+ MB, \d+ rows, some \d+ s left$/m);
    expect(stdout).to.match(/^people: \d+ rows sealed\n.*no plaintext is left in name, email\n/);
    expect(Object.keys(written).length).to.be.greaterThan(1);
    for (const column of ['name', 'email']) expect(await unsealed(column), column).to.equal(0);
    expect(
      (
        await sql(`select count(*)::int as n from pg_constraint c join pg_type t on t.oid = c.contypid
      where t.typnamespace = 'oubli'::regnamespace and not c.convalidated`)
      ).rows,
    ).to.deep.equal([{ n: 0 }]);

    const { db } = await world.another();
    const read = Object.fromEntries((await db('people').select('id', 'name')).map(({ id, name }) => [id, name]));
    const expected = Object.fromEntries(
      Array.from({ length: PEOPLE }, (_, i) => [i + 1, `Canary ${i + 1}${' x'.repeat(40)}`]),
    );
    expect(read).to.deep.equal({ ...expected, ...written });
    expect(await db('people').where({ email: '1500@EXAMPLE.org' }).pluck('id')).to.deep.equal([1500]);
  });

  it('takes little memory to seal, and the same script measures a million rows: npm run torture', async () => {
    const script = path.join(__dirname, '..', 'torture', 'backfill.ts');
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['-r', 'ts-node/register', script, '10000', 'src/cli/main.ts'],
      {
        env: { ...process.env, DATABASE_URL: testServerUrl() },
      },
    );
    expect(JSON.parse(stdout)).to.include({ people: 10_000 }).and.to.have.property('megabytes').below(300);
  });

  it('goes back out by the command line only when the name of the table is typed', async () => {
    await declare();
    await runOubli(backfillArgs(), { env: settings() });
    const args = [
      'unprotect',
      'people',
      'name',
      '--because',
      'a public register',
      '--keys',
      world.keyFile,
      '--load',
      '1',
    ];
    for (const input of ['', 'y\n', 'name\n']) {
      const refused = await runOubli(args, { env: settings(), input });
      expect(refused.code).to.equal(1);
      expect(refused.stderr).to.match(/^oubli: nothing was decrypted.*\n {2}fix: npx oubli unprotect people/);
    }
    expect(await unsealed('name')).to.equal(0);
    const { code, stdout } = await runOubli(args, { env: settings(), input: 'people\n' });
    expect(code).to.equal(0);
    expect(stdout).to.contain(`people: ${PEOPLE} rows decrypted; readable now: name`);
    expect(await world.plain('people').where({ id: 1 }).pluck('name')).to.deep.equal([`Canary 1${' x'.repeat(40)}`]);
    expect(await unsealed('email')).to.equal(0);
  });
});
