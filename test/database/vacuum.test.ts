import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { annotate, install, SCHEMA_VERSION, type VacuumReport } from '../../src';
import { createWorld, type World } from '../support/world';

const serve = { purpose: 'serve', basis: 'contract' } as const;
const shown = { category: 'contact.email', protect: 'clear', because: 'a test reads it' } as const;

async function migrate(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.raw(`
    create table people (id int primary key, email text, city text, sealed text, ended_on date);
    create index people_lower on people (lower(email));
    create statistics people_both (mcv) on email, city from people;
    create table quiet (id int primary key, person_id int references people, mail text) with (autovacuum_vacuum_scale_factor = 0.3);
    create index on quiet (person_id);
    create table parts (person_id int references people, at date not null, mail text) partition by range (at);
    create index on parts (person_id);
    create table parts_1 partition of parts for values from ('2020-01-01') to ('2030-01-01');`);
  await annotate(knex, 'people', {
    subject: { kind: 'person', ...serve, retention: { from: 'ended_on', keep: '6 months', then: 'erase' } },
    columns: {
      email: shown,
      city: { ...shown, category: 'contact.city' as const },
      sealed: { category: 'contact.email', protect: 'encrypt', search: 'email' },
      ended_on: { notPersonal: 'starts the clock' },
    },
  });
  await annotate(knex, 'quiet', { data: serve, columns: { mail: { ...shown, statistics: 'none' as const } } });
  await annotate(knex, 'parts', { data: serve, columns: { mail: shown, at: { notPersonal: 'a date' } } });
}

describe('L4: after a purge', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld({ migrate });
  });
  afterEach(() => world.end());

  const people = async (from: number, to: number, endedOn: string | null): Promise<void> => {
    const rows = Array.from({ length: to - from }, (_, i) => ({
      id: from + i,
      email: `secret${from + i}@example.org`,
      city: `Secretville ${from + i}`,
      sealed: `s${from + i}@example.org`,
      ended_on: endedOn,
    }));
    await world.db.batchInsert('people', rows);
    await world.plain.raw(
      `insert into parts select id, '2025-01-01', email from people where id between ${from} and ${to - 1}`,
    );
  };
  const sampled = async (): Promise<string> => {
    const { rows } =
      await world.plain.raw(`select coalesce(string_agg(concat(tablename, most_common_vals::text, histogram_bounds::text), ''), '') as all
      from pg_stats where schemaname = 'public'`);
    const extended =
      await world.plain.raw(`select coalesce(string_agg(m.values::text, ''), '') as all from pg_statistic_ext x
      join pg_statistic_ext_data d on d.stxoid = x.oid, pg_mcv_list_items(d.stxdmcv) m`);
    return rows[0].all + extended.rows[0].all;
  };
  const sweep = () => world.sweep({ breaker: { people: 1 } });
  const reportOf = async (table: string): Promise<VacuumReport | undefined> => {
    const { report } = await world.plain('oubli.vacuumed').first();
    return (report as VacuumReport[]).find((each) => each.table === table);
  };

  it('L4: no sample of who left is in the statistics, of columns, expressions and several columns, of a table that is empty now', async () => {
    await people(1, 40, '2020-01-01');
    // equal values are what a list of the commonest keeps
    await world.plain.raw(
      `insert into people (id, email, city, ended_on) select n, 'secret-twin@example.org', 'Secretville', '2020-01-01' from generate_series(100, 140) n`,
    );
    await world.plain.raw('analyze');
    expect(await sampled(), 'the control')
      .to.contain('secret1@')
      .and.to.contain('secret-twin')
      .and.to.contain('Secretville');
    await sweep();
    expect(await world.plain('people')).to.deep.equal([]);
    expect(await sampled()).not.to.match(/secret/i);
    expect(await reportOf('people')).to.deep.equal({
      table: 'people',
      rows: 80,
      vacuum: 'done',
      analysed: true,
      statistics: 'forgotten',
    });
  });

  it('L4: says that extended statistics of an emptied table are still there where a view forbids to forget them', async () => {
    await people(1, 40, '2020-01-01');
    await world.plain.raw('analyze; create view shown as select email, city from people');
    await sweep();
    expect((await reportOf('people'))?.statistics).to.contain('still there: a view');
  });

  it('L4: nor of a table that goes on, whose samples are of who is left', async () => {
    await people(1, 40, '2020-01-01');
    await people(50, 90, null);
    await world.plain.raw('analyze');
    await sweep();
    expect(await sampled())
      .to.contain('secret50@')
      .and.not.to.match(/secret[1-9]@|secret[123][0-9]@/);
  });

  it('L4: dead tuples are gone from heap and index, which pages show', async () => {
    await people(1, 40, '2020-01-01');
    await world.plain.raw('create extension pageinspect');
    const tuples = async (): Promise<number> => {
      const { rows } = await world.plain.raw(`select count(*) filter (where t_data is not null)::int as n
        from generate_series(0, pg_relation_size('people') / 8192 - 1) b, heap_page_items(get_raw_page('people', b::int))`);
      return rows[0].n;
    };
    const entries = async (): Promise<number> => {
      const { rows } = await world.plain.raw(`select coalesce(sum(live_items), 0)::int as n
        from generate_series(1, pg_relation_size('people_lower') / 8192 - 1) b, bt_page_stats('people_lower', b)`);
      return rows[0].n;
    };
    expect([await tuples(), await entries()], 'before').to.deep.equal([39, 39]);
    await sweep();
    expect([await tuples(), await entries()]).to.deep.equal([0, 0]);
  });

  it('L4: waits for a quiet hour where the sweep is told so, and is forgotten no more than that', async () => {
    await people(1, 40, '2020-01-01');
    await world.plain.raw('analyze');
    await world.sweep({ breaker: { people: 1 }, vacuum: 'later' });
    expect(await sampled()).to.contain('secret1@');
    expect((await world.vacuum()).map(({ table, rows }) => `${table} ${rows}`)).to.include('people 39');
    expect(await sampled()).not.to.contain('secret');
  });

  it('L4: is done once for what was touched, requests included, and not again', async () => {
    await people(1, 3, null);
    await world.subject('person', 1).erase({ because: 'a test' });
    const first = await world.vacuum();
    expect(first.map(({ table, rows }) => `${table} ${rows}`)).to.have.members(['people 1', 'parts 1']);
    expect(await world.vacuum()).to.deep.equal([]);
  });

  it('L4: waits for nobody long, and says who held a table', async () => {
    await people(1, 3, null);
    await world.subject('person', 1).erase({ because: 'a test' });
    const trx = await world.plain.transaction();
    await trx.raw('lock table people in share update exclusive mode');
    const reports = await world.vacuum().finally(() => trx.rollback());
    expect(reports.find(({ table }) => table === 'people')?.vacuum).to.contain('somebody held it');
    expect(reports.find(({ table }) => table === 'parts')?.vacuum).to.equal('done');
  }).timeout(40_000);

  it('L4: says so where the role may not, and leaves the connection as it was', async () => {
    await people(1, 3, null);
    await world.subject('person', 1).erase({ because: 'a test' });
    const role = `cleaner_${randomBytes(6).toString('hex')}`; // roles belong to the whole server
    await world.plain.raw(`create role ${role}; grant pg_read_all_data, pg_write_all_data to ${role}`);
    const afterCreate = (
      connection: { query(sql: string, done: (error: unknown) => void): void },
      done: (...of: unknown[]) => void,
    ): void => connection.query(`set role ${role}; set lock_timeout = '7s'`, (error) => done(error, connection));
    const plain = await world.another({ config: { pool: { min: 0, max: 1, afterCreate } } });
    const reports = await plain.vacuum();
    expect(reports.map(({ vacuum }) => vacuum)[0]).to.contain('this role may not');
    expect((await plain.unprotected().raw('show lock_timeout')).rows).to.deep.equal([{ lock_timeout: '7s' }]);
    await plain.close();
    await plain.knex.destroy();
    await world.plain.raw(`drop owned by ${role}; drop role ${role}`);
  });

  it('L4: keeps a column out of the statistics that asks for it, from its declaration on, and back', async () => {
    await people(1, 3, null);
    await world.plain.raw(
      `insert into quiet select n, 1, 'secret' || n || '@example.org' from generate_series(1, 50) n; analyze quiet`,
    );
    expect(await sampled()).not.to.contain('quiet{secret');
    const { rows } = await world.plain.raw(`select attname from pg_stats where tablename = 'quiet' order by 1`);
    expect(rows.map(({ attname }: { attname: string }) => attname)).to.deep.equal(['id', 'person_id']);
    await annotate(world.knex, 'quiet', { columns: { mail: shown } });
    await world.plain.raw('analyze quiet');
    expect(await sampled()).to.contain('secret7@');
  });

  it('L4: tables whose rows leave are vacuumed often enough, by settings of their own that overwrite none of the team’s', async () => {
    const { rows } = await world.plain.raw(
      `select relname, reloptions from pg_class where relname in ('people', 'quiet', 'parts', 'parts_1') order by 1`,
    );
    expect(rows).to.deep.equal([
      { relname: 'parts', reloptions: null },
      { relname: 'parts_1', reloptions: ['autovacuum_vacuum_scale_factor=0.01', 'autovacuum_vacuum_threshold=500'] },
      { relname: 'people', reloptions: ['autovacuum_vacuum_scale_factor=0.01', 'autovacuum_vacuum_threshold=500'] },
      { relname: 'quiet', reloptions: ['autovacuum_vacuum_scale_factor=0.3', 'autovacuum_vacuum_threshold=500'] },
    ]);
  });
});
