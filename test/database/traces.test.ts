/** What a certificate may not claim: each time something of her is there, and seen to be there (ERASURE.md L4). */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { annotate, install, SCHEMA_VERSION, type Trace, type VacuumReport } from '../../src';
import { addPeople, type Person } from '../support/people';
import { type FreshServer, startPostgres } from '../support/postgres';
import { createWorld, type World } from '../support/world';

const PLAIN = 'Zebulon Quux-Plainname';

async function bytesOf(world: World, table: string): Promise<Buffer> {
  await world.plain.raw('checkpoint');
  const { rows } = await world.plain.raw(
    `select current_setting('data_directory') as folder, pg_relation_filepath(?::regclass) as file`,
    [table],
  );
  return readFile(path.join(rows[0].folder, rows[0].file));
}

async function traceOf(world: World, entry: number, where: string, table: string): Promise<Trace | undefined> {
  const { certificate } = await world.certificate(entry);
  return certificate.traces.find((each) => each.where === where && each.table === table);
}

const reportOf = (reports: readonly VacuumReport[], table: string): VacuumReport | undefined =>
  reports.find((each) => each.table === table);

describe('L4: of dead tuples and statistics a certificate', () => {
  let server: FreshServer;
  let world: World;
  let people: Person[];
  before(async () => {
    server = await startPostgres({ fresh: true, settings: { max_prepared_transactions: '2' } });
  });
  after(() => server.stop());
  beforeEach(async () => {
    world = await createWorld({ server: server.url });
    people = await addPeople(world.db, 3, '2099-01-01', 300);
  });
  afterEach(() => world.end());

  const erase = async (place: number): Promise<number> =>
    (await world.subject('user', (people[place] as Person).id).erase({ because: 'request' })).entry;
  const holders: Record<string, (world: World) => Promise<{ end(): Promise<unknown> }>> = {
    'an open snapshot': async ({ plain }) => {
      const old = await plain.transaction({ isolationLevel: 'repeatable read' });
      await old.raw('select count(*) from users');
      return { end: () => old.rollback() };
    },
    'a prepared transaction': async ({ plain }) => {
      await plain.raw(`begin; select pg_current_xact_id(); prepare transaction 'held'`);
      return { end: () => plain.raw(`rollback prepared 'held'`) };
    },
    'a transaction that writes elsewhere': async ({ plain }) => {
      const open = await plain.transaction();
      await open.raw('select pg_current_xact_id()');
      return { end: () => open.rollback() };
    },
  };

  for (const [holder, begin] of Object.entries(holders)) {
    it(`L4: says none left only once ${holder} from before holds none, and VACUUM is done again by itself`, async () => {
      const held = await begin(world);
      const entry = await erase(0);
      expect(reportOf(await world.vacuum(), 'users')?.vacuum).to.contain('held back');
      expect((await bytesOf(world, 'users')).includes('nick300'), 'the control').to.equal(true);
      const trace = await traceOf(world, entry, 'dead tuples', 'users');
      expect(trace?.state).to.equal('possible');
      expect(trace?.says).to.contain('may still read them');
      // nothing is gained by doing it again before
      const vacuums = async (): Promise<number> =>
        (await world.plain('pg_stat_user_tables').where({ relname: 'users' }).first()).vacuum_count;
      const before = await vacuums();
      expect(reportOf(await world.vacuum(), 'users')?.vacuum).to.contain('held back');
      expect(await vacuums()).to.equal(before);
      await held.end();
      // that it has gone does not remove them either
      expect((await traceOf(world, entry, 'dead tuples', 'users'))?.state).to.equal('possible');
      expect(reportOf(await world.vacuum(), 'users')?.vacuum).to.equal('done');
      expect((await traceOf(world, entry, 'dead tuples', 'users'))?.state).to.equal('none');
      await world.plain.raw('create extension pageinspect');
      const tuples = await world.plain.raw(`select count(*) filter (where t_data is not null)::int as tuples,
        count(*) filter (where position('nick300'::bytea in t_data) > 0)::int as hers from heap_page_items(get_raw_page('users', 0))`);
      // her row stays without her, for its invoices are kept
      expect(tuples.rows).to.deep.equal([{ tuples: 3, hers: 0 }]);
      expect(await world.vacuum(), 'and not again').to.deep.equal([]);
    });
  }

  it('L4: does not claim for a later erasure what a VACUUM before it has seen', async () => {
    const first = await erase(0);
    await world.vacuum();
    const second = await erase(1);
    expect((await traceOf(world, first, 'dead tuples', 'users'))?.state).to.equal('none');
    expect((await traceOf(world, second, 'dead tuples', 'users'))?.state).to.equal('possible');
    expect((await traceOf(world, second, 'statistics', 'users'))?.state).to.equal('possible');
    await world.vacuum();
    await world.plain.raw('analyze users');
    for (const where of ['dead tuples', 'statistics'])
      expect((await traceOf(world, second, where, 'users'))?.state, 'also of whoever is left').to.equal('none');
  });

  const sampled = async (): Promise<string> => {
    const { rows } = await world.plain.raw(
      `select coalesce(string_agg(concat(most_common_vals, histogram_bounds), ' '), '') as all from pg_stats where tablename = 'users'`,
    );
    return rows[0].all;
  };

  const stale: Record<string, string> = {
    'an ANALYZE of another column': 'analyze users (locale)',
    'an ANALYZE of a column that is never sampled': 'alter table users alter nickname set statistics 0; analyze users',
  };
  for (const [what, sql] of Object.entries(stale)) {
    it(`L4: looks at the samples: after ${what} they may be from before, until they are forgotten`, async () => {
      await world.plain.raw('analyze users');
      const entry = await erase(0);
      await world.plain.raw(sql);
      expect(await sampled(), 'the control').to.contain('nick300');
      const trace = await traceOf(world, entry, 'statistics', 'users');
      expect(trace?.state).to.equal('possible');
      expect(trace?.says).to.contain('nickname');
      expect(reportOf(await world.vacuum(), 'users')?.statistics).to.equal('forgotten');
      expect(await sampled()).not.to.contain('nick300');
      expect((await traceOf(world, entry, 'statistics', 'users'))?.state).to.equal('none');
    });
  }

  it('L4: looks at the samples of several columns, also where no ANALYZE makes them anew', async () => {
    await world.plain.raw(`create statistics both_of (mcv) on nickname, locale from users; analyze users`);
    const entry = await erase(0);
    await world.plain.raw('alter statistics both_of set statistics 0; analyze users');
    const several = async (): Promise<string> => {
      const { rows } = await world.plain.raw(`select coalesce(string_agg(m.values::text, ''), '') as all
        from pg_statistic_ext x join pg_statistic_ext_data d on d.stxoid = x.oid, pg_mcv_list_items(d.stxdmcv) m`);
      return rows[0].all;
    };
    expect(await several(), 'the control').to.contain('nick300');
    expect((await traceOf(world, entry, 'statistics', 'users'))?.says).to.contain('both_of');
    expect(reportOf(await world.vacuum(), 'users')?.statistics).to.equal('forgotten');
    expect(await several()).not.to.contain('nick300');
    expect((await traceOf(world, entry, 'statistics', 'users'))?.state).to.equal('none');
  });

  it('L4: what somebody held is vacuumed by the next sweep, and until then the certificate says who kept it', async () => {
    const entry = await erase(0);
    const trx = await world.plain.transaction();
    await trx.raw('lock table users in share update exclusive mode');
    const reports = await world.vacuum().finally(() => trx.rollback());
    expect(reportOf(reports, 'users')?.vacuum).to.contain('somebody held it');
    expect((await traceOf(world, entry, 'dead tuples', 'users'))?.says).to.contain('somebody held it');
    expect((await world.vacuum()).map(({ table, vacuum }) => [table, vacuum])).to.deep.equal([['users', 'done']]);
    expect((await traceOf(world, entry, 'dead tuples', 'users'))?.state).to.equal('none');
  }).timeout(20_000);

  it('L4: a table that fails keeps no other from being vacuumed; its error is raised, and it is tried again', async () => {
    await world.plain.raw(`create function fails(text) returns text language plpgsql immutable as $$ begin
      if current_setting('oubli_test.fails', true) = 'on' then raise division_by_zero; end if; return $1; end $$;
      create index on users (fails(nickname));
      alter database ${new URL(world.url).pathname.slice(1)} set oubli_test.fails = 'on'`);
    const other = await world.another(); // whose connections have the setting
    const entry = await erase(0);
    const error = await other.vacuum().then(
      () => undefined,
      (failure: unknown) => failure,
    );
    expect(error).to.include({ code: '22012' });
    const { report } = await world.plain('oubli.vacuumed').first();
    expect(reportOf(report, 'users')?.vacuum).to.equal('failed (22012)');
    expect(reportOf(report, 'visits')?.vacuum, 'that comes after it').to.equal('done');
    expect((await world.vacuum()).map(({ table, vacuum }) => [table, vacuum])).to.deep.equal([['users', 'done']]);
    expect((await traceOf(world, entry, 'dead tuples', 'users'))?.state).to.equal('none');
  });
});

describe('L4: of a column that once stood in clear a certificate', () => {
  let world: World;
  const declare = (knex: Knex): Promise<void> =>
    annotate(knex, 'customers', {
      subject: {
        kind: 'customer',
        purpose: 'sell',
        basis: 'contract',
        retention: { from: 'left_on', keep: '6 months', then: 'erase' },
      },
      columns: {
        name: { category: 'identity.name', protect: 'encrypt' },
        left_on: { notPersonal: 'the event that starts the clock' },
      },
    });
  const tableOf = async (knex: Knex): Promise<void> => {
    await install(knex, { version: SCHEMA_VERSION });
    await knex.schema.createTable('customers', (t) => {
      t.increments('id');
      t.text('name');
      t.date('left_on');
    });
  };
  const names = Array.from({ length: 400 }, (_, n) => ({
    name: n === 0 ? PLAIN : `Other Person ${n} of the long name`,
  }));
  beforeEach(async () => {
    world = await createWorld({ migrate: tableOf });
  });
  afterEach(() => world.end());

  it('L4: says so, with the day by which the last value was sealed, for its bytes are in heap and WAL', async () => {
    await world.plain.batchInsert('customers', names);
    await declare(world.knex);
    const during = await world.subject('customer', 7).erase({ because: 'while it is being sealed' });
    const meanwhile = await traceOf(world, during.entry, 'heap and index pages', 'customers');
    expect(meanwhile).to.include({ state: 'possible' });
    expect(meanwhile?.says).to.contain('name is still being sealed');
    await world.backfill('customers', { load: 1 });
    const { entry } = await world.subject('customer', 1).erase({ because: 'request' });
    await world.vacuum();
    expect((await bytesOf(world, 'customers')).includes('Quux-Plainname'), 'the control').to.equal(true);
    const trace = await traceOf(world, entry, 'heap and index pages', 'customers');
    expect(trace?.state).to.equal('possible');
    expect(trace?.says).to.match(/name stood there in clear until \d{4}-\d\d-\d\dT[\d:]+Z/);
    const { certificate } = await world.certificate(entry);
    expect(certificate.traces.find(({ where }) => where === 'WAL')?.state).to.equal('possible');
    expect(certificate.traces.find(({ where }) => where === 'dead tuples')?.state).to.equal('none');
  });

  it('L4: does not where the table was empty when it was declared', async () => {
    await declare(world.knex);
    const [{ id }] = await world.db('customers').insert({ name: PLAIN }).returning('id');
    const { entry } = await world.subject('customer', id).erase({ because: 'request' });
    expect((await bytesOf(world, 'customers')).includes('Quux-Plainname'), 'the control').to.equal(false);
    expect((await traceOf(world, entry, 'heap and index pages', 'customers'))?.state).to.equal('sealed');
  });

  it('L4: says so where the protection was on its way out, and came back', async () => {
    await declare(world.knex);
    const [{ id }] = await world.db('customers').insert({ name: PLAIN }).returning('id');
    await world.plain.raw(
      `select oubli.begin_release('customers', '{name}'); select oubli.end_transition('customers', 'name')`,
    );
    const { entry } = await world.subject('customer', id).erase({ because: 'request' });
    expect((await traceOf(world, entry, 'heap and index pages', 'customers'))?.state).to.equal('possible');
  });

  it('L4: says so of what was declared before this was remembered', async () => {
    const old = await createWorld({
      migrate: async (knex) => {
        await install(knex, { version: 12 });
        await knex.schema.createTable('customers', (t) => {
          t.increments('id');
          t.text('name').personal({ category: 'identity.name', protect: 'encrypt' });
          t.date('left_on').notPersonal('the event that starts the clock');
          t.dataSubject('customer', {
            purpose: 'sell',
            basis: 'contract',
            retention: { from: 'left_on', keep: '6 months', then: 'erase' },
          });
        });
        await install(knex, { version: SCHEMA_VERSION });
      },
    });
    const [{ id }] = await old.db('customers').insert({ name: PLAIN }).returning('id');
    const { entry } = await old.subject('customer', id).erase({ because: 'request' });
    expect((await traceOf(old, entry, 'heap and index pages', 'customers'))?.state).to.equal('possible');
    await old.end();
  });
});
