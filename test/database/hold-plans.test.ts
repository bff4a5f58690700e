/** What holds cost: the statements that ask for them, as PostgreSQL plans them over many people (ERASURE.md H1, D2). */
import { expect } from 'chai';
import { Client } from 'pg';
import { loadCatalogue } from '../../src/catalogue/load';
import type { Catalogue } from '../../src/catalogue/model';
import { DueRows } from '../../src/lifecycle/due-rows';
import { heldAmong } from '../../src/lifecycle/held';
import { planErasure } from '../../src/lifecycle/plan';
import { rulesOf } from '../../src/lifecycle/rule';
import { withOwnTypes } from '../../src/own-types';
import type { Queryable } from '../../src/queryable';
import { stopClock } from '../../src/testing';
import { createWorld, type World } from '../support/world';

describe('Holds among many people', function () {
  this.timeout(60_000);
  let world: World;
  let client: Client;
  let catalogue: Catalogue;
  before(async () => {
    world = await createWorld();
    client = new Client({ connectionString: world.url });
    await client.connect();
    await client.query(`
      insert into users (email, service_ended_on)
      select oubli.tombstone(e.id, true, n::text), date '2020-01-01' + n % 4000
      from oubli.element e, generate_series(1, 40000) n where e.domain = 'oubli."users.email"'::regtype;
      insert into contracts (user_id, plan) select n, 'basic' from generate_series(1, 40000) n;
      insert into notes (contract_id) select n from generate_series(1, 40000) n;
      insert into invoices (user_id, total, issued_on) select n, 1, date '2010-01-01' from generate_series(1, 40000) n`);
    await world.holds.open({ name: 'case 1', ground: 'audit' });
    await world.holds.place('case 1', world.subject('user', 7));
    await world.holds.place('case 1', { table: 'notes', rows: [11] });
    await client.query(`insert into oubli.held_person select 'user', n::text, id from oubli.hold_case, generate_series(100, 300) n;
      insert into oubli.held_row select 'notes'::regclass, array[n::text], id from oubli.hold_case, generate_series(2100, 2300) n;
      insert into oubli.held_person select 'user', n::text, id from oubli.hold_case, generate_series(50001, 60000) n;
      insert into oubli.held_row select 'visits'::regclass, array[n::text], id from oubli.hold_case, generate_series(1, 10000) n;
      analyze`);
    catalogue = await loadCatalogue(withOwnTypes(client));
    await stopClock(world.plain, '2020-07-20T00:00:00Z'); // some hundreds are due
  });
  after(async () => {
    await client.end();
    await world.end();
  });

  /** Answers with the plan in the place of the last statement's rows. */
  async function planOf(ask: (connection: Queryable) => Promise<unknown>): Promise<string> {
    const asked: string[] = [];
    const connection: Queryable = {
      query: async (sql, params = []) => {
        if (/person_held p\)|exists \(select from oubli\.held/.test(sql))
          return withOwnTypes(client).query(sql, params);
        const { rows } = await client.query(`explain ${sql}`, params);
        asked.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
        return { rows: [] };
      },
    };
    await ask(connection);
    expect(asked).to.have.length(1);
    return asked[0] as string;
  }
  const rule = (name: string) => rulesOf(catalogue).find((each) => each.name === name)!;

  it('H1: choosing people goes by the index of the anchor, and reads neither all people nor all their rows', async () => {
    const plan = planErasure(catalogue, catalogue.subjectTable('user')!);
    const text = await planOf((c) => new DueRows(rule('subject:user'), plan, catalogue).choose(c, 500));
    expect(text).to.contain('users_service_ended_on_idx').and.to.contain('held_person').and.to.contain('held_row');
    expect(text).not.to.match(/Seq Scan on (users|contracts|notes)/);
  });

  it('H1: asking again under the lock reads the rows of those who were chosen, or what is held, and no whole table', async () => {
    const plan = planErasure(catalogue, catalogue.subjectTable('user')!);
    const names = Array.from({ length: 500 }, (_, i) => String(i * 7 + 1));
    const text = await planOf((c) => heldAmong(catalogue, plan, c, names));
    expect(text).to.contain('held_person').and.to.contain('held_row');
    expect(text).not.to.match(/Seq Scan on (users|contracts|notes)/);
    const held = await heldAmong(catalogue, plan, withOwnTypes(client), names);
    const expected = names.filter(
      (name) => (+name >= 100 && +name <= 300) || (+name >= 2100 && +name <= 2300) || ['7', '11'].includes(name),
    );
    expect([...held.keys()].sort()).to.deep.equal(expected.sort());
  });

  it('H1: while nothing is held the choice asks for nothing more than before', async () => {
    await client.query('begin; delete from oubli.held_person; delete from oubli.held_row');
    const plan = planErasure(catalogue, catalogue.subjectTable('user')!);
    const text = await planOf((c) => new DueRows(rule('subject:user'), plan, catalogue).choose(c, 500));
    expect(text).not.to.contain('held');
    await client.query('rollback');
  });

  it('H1: what the trigger asks of one row is a few look-ups by index', async () => {
    const { rows } = await client.query(`select prosrc from pg_proc p join pg_trigger t on t.tgfoid = p.oid
      where t.tgname = 'oubli_hold_delete' and t.tgrelid = 'notes'::regclass`);
    const [, query] = /refuse_held\(target, \((select x\.held_by.*limit 1)\)\)/.exec(rows[0].prosrc) as RegExpExecArray;
    const sql = `${query}`
      .replaceAll('target', "'notes'::regclass")
      .replaceAll('old.*', 'n.*')
      .replaceAll('old.', 'n.');
    const { rows: lines } = await client.query(`explain select (${sql}) from notes n where n.id = 5`);
    const text = lines.map((row) => row['QUERY PLAN']).join('\n');
    expect(text).to.contain('held_person_pkey').and.to.contain('held_row_pkey').and.to.contain('contracts_pkey');
    expect(text).not.to.contain('Seq Scan on notes').and.not.to.contain('Seq Scan on contracts');
  });
});
