/** References that PostgreSQL has no foreign key for: whose a row is, and that it leaves with her (ERASURE.md G1). */
import { expect } from 'chai';
import knexPackage from 'knex';
import { Client } from 'pg';
import { AnnotatingClient, annotate, type Receipt } from '../../src';
import { loadCatalogue } from '../../src/catalogue/load';
import { erasureStatement } from '../../src/lifecycle/erasure-statement';
import { planErasure } from '../../src/lifecycle/plan';
import { migrateReferring } from '../support/referring';
import { refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';
import { unzip } from '../support/zip';

const serve = { purpose: 'provide the service', basis: 'contract' } as const;
const REF = (n: number): string => `0a0b0c0d-0000-4000-8000-${String(n).padStart(12, '0')}`;

describe('References without a foreign key', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld({ migrate: migrateReferring });
    await world.db('people').insert([1, 2, 11].map((id) => ({ id, ref: REF(id), name: `P${id}` })));
    await world.db('crm.companies').insert([1, 2].map((id) => ({ id, name: `C${id}` })));
  });
  afterEach(() => world.end());

  const erase = (kind: string, id: number): Promise<Receipt> => world.subject(kind, id).erase({ because: 'a test' });
  const left = (table: string, column: string): Promise<unknown[]> => world.plain(table).orderBy('id').pluck(column);

  it('G1: finds rows by columns without a constraint, also a number that stands in a text', async () => {
    await world.plain('logins').insert([1, 2].map((id) => ({ person_ref: REF(id), ip: `ip${id}` })));
    await world
      .plain('imports')
      .insert(
        ['1', '01', ' 1', '2', '11', 'x1', null, '99999999999999999999'].map((no) => ({ Person: no, note: `n${no}` })),
      );
    const receipt = await erase('person', 1);
    expect(receipt.removed).to.have.deep.members([
      { table: 'people', rows: 1 },
      { table: 'logins', rows: 1 },
      { table: 'imports', rows: 3 },
    ]);
    expect(await left('logins', 'ip')).to.deep.equal(['ip2']);
    expect(await left('imports', 'note')).to.deep.equal(['n2', 'n11', 'nx1', 'nnull', 'n99999999999999999999']);
  });

  it('G1: finds rows by what stands inside JSON, as a number, as a text, in an array', async () => {
    const payloads = [
      '{"user":{"id":1}}',
      '{"user":{"id":"1"}}',
      '{"user":{"id":11}}',
      '{"user":1}',
      '[]',
      '"1"',
      'null',
    ];
    await world.plain('events').insert(payloads.map((payload) => ({ payload })));
    const traces = [`{"who":["${REF(1).toUpperCase()}"]}`, `{"who":["${REF(2)}"]}`, `{"who":"${REF(1)}"}`];
    await world.plain('traces').insert(traces.map((payload) => ({ payload })));
    const receipt = await erase('person', 1);
    expect(receipt.removed)
      .to.deep.include({ table: 'events', rows: 2 })
      .and.to.deep.include({ table: 'traces', rows: 1 });
    expect(await left('events', 'payload')).to.deep.equal([
      { kind: 'before anybody' },
      { user: { id: 11 } },
      { user: 1 },
      [],
      '1',
      null,
    ]);
    expect(await world.plain('traces')).to.have.length(2);
  });

  it('G1: tells the people of two kinds apart by the type beside the id, and so for what hangs on these rows', async () => {
    for (const [id, owner] of [
      [1, 'Person'],
      [2, 'Company'],
      [3, 'Product'],
      [4, null],
    ] as const) {
      await world.plain('attachments').insert({ id, owner_id: 1, owner_type: owner, file_name: `a${id}` });
      await world.plain('versions').insert({ attachment_id: id, label: `v${id}` });
    }
    const receipt = await erase('person', 1);
    expect(receipt.removed.map(({ table, rows }) => `${table} ${rows}`)).to.include.members([
      'attachments 1',
      'versions 1',
    ]);
    expect(await left('versions', 'label')).to.deep.equal(['v2', 'v3', 'v4']);
    await erase('company', 1);
    expect(await left('attachments', 'file_name')).to.deep.equal(['a3', 'a4']);
  });

  it('G2: detach takes the type with the id, and out of JSON the id alone', async () => {
    await world.plain('links').insert([
      { target_id: 1, target_type: 'Person' },
      { target_id: 1, target_type: 'Page' },
    ]);
    await world.plain('pointers').insert([{ doc: '{"person":1,"page":7}' }, { doc: '{"person":2}' }]);
    const receipt = await erase('person', 1);
    expect(receipt.detached).to.have.deep.members([
      { table: 'links', rows: 1 },
      { table: 'pointers', rows: 1 },
    ]);
    expect(await world.plain('links').orderBy('id').select('target_id', 'target_type')).to.deep.equal([
      { target_id: null, target_type: null },
      { target_id: 1, target_type: 'Page' },
    ]);
    expect(await left('pointers', 'doc')).to.deep.equal([{ page: 7 }, { person: 2 }]);
  });

  it('G1: seals under the key of whoever a reference without a constraint leads to', async () => {
    await world.db('messages').insert({ author_ref: REF(2), body: 'hers' });
    await world.db('comments').insert({ owner_id: '02', owner_type: 'Person', body: 'hers too' });
    const { rows } =
      await world.plain.raw(`select distinct l.subject_id from oubli.subject_link l, messages m, comments c
      where l.key_id = oubli.key_id(m.body::bytea) and l.key_id = oubli.key_id(c.body::bytea)`);
    expect(rows).to.deep.equal([{ subject_id: '2' }]);
  });

  it('G1: seals nothing for a row that refers to something else, and PostgreSQL lets no row go over to another person', async () => {
    const other = await refusalOf(() =>
      world.db('comments').insert({ owner_id: '1', owner_type: 'Company', body: 'x' }),
    );
    expect(other).to.include({ code: 'NOBODYS_ROW', table: 'comments' });
    await world.db('comments').insert({ id: 1, owner_id: '1', owner_type: 'Person', body: 'hers' });
    await world.db('messages').insert({ id: 1, author_ref: REF(1), body: 'hers' });
    const moved = [
      `update comments set owner_id = '2'`,
      `update comments set owner_type = 'Company'`,
      `update messages set author_ref = '${REF(2)}'`,
      `insert into comments (id, owner_id, owner_type, body) select 2, '2', 'Person', body from comments`,
    ];
    for (const sql of moved) expect(await sqlState(() => world.plain.raw(sql)), sql).to.equal('OU004');
    await world.plain.raw(`update comments set owner_id = ' 01 '`); // the same person, written otherwise
    await world.db('comments').where({ owner_id: ' 01 ', owner_type: 'Person' }).update({ body: 'changed' });
    expect(await world.db('comments').pluck('body')).to.deep.equal(['changed']);
  });

  it('G1: follows renamed columns and tables', async () => {
    await world.plain('attachments').insert({ owner_id: 1, owner_type: 'Person', file_name: 'a' });
    const migration = knexPackage({ client: AnnotatingClient, connection: world.url });
    await migration.schema.alterTable('attachments', (t) => {
      t.renameColumn('owner_id', 'holder');
      t.renameColumn('owner_type', 'Kind');
    });
    await migration.schema.renameTable('people', 'persons');
    await migration.schema.renameTable('attachments', 'files');
    await migration.destroy();
    expect((await erase('person', 1)).removed).to.deep.include({ table: 'files', rows: 1 });
  });

  it('G1: refuses a declaration that could find nobody', async () => {
    const declare = (references: object): Promise<unknown> =>
      refusalOf(() =>
        annotate(world.plain, 'logins', { data: { ...serve, references: [references] } as never, columns: {} }),
      );
    expect(await declare({ columns: ['person_ref'], to: 'nobody' })).to.include({ code: 'NO_SUCH_TARGET' });
    expect(await declare({ columns: ['person_ref'], to: 'people' }), 'a uuid and a number').to.include({
      code: 'REFERENCE_TYPE',
    });
    expect(await declare({ columns: ['no_such'], to: 'people' })).to.include({ code: 'NO_SUCH_COLUMN' });
    expect(await declare({ columns: ['person_ref'], to: 'people', on: ['no_such'] })).to.include({
      code: 'NO_SUCH_COLUMN',
    });
    expect(await declare({ json: 'ip', path: ['id'], to: 'people' })).to.include({ code: 'REFERENCE_COLUMN' });
    expect(await declare({ columns: ['person_ref'], too: 'people' })).to.include({ code: 'BAD_REFERENCE' });
    expect(await world.plain('oubli.reference').where({ rel: world.plain.raw(`'logins'::regclass`) })).to.have.length(
      1,
    );
  });

  it('G1: refuses to seal where JSON, or a type beside the id, says whose a row is', async () => {
    await annotate(world.plain, 'events', {
      data: { ...serve, references: [{ json: 'payload', path: ['user', 'id'], to: 'people' }] },
      columns: {},
    });
    await world.plain.raw('alter table events add note text; alter table attachments add note text');
    await annotate(world.plain, 'attachments', {
      columns: { note: { category: 'activity.content', protect: 'encrypt' } },
    });
    expect(await refusalOf(() => world.another())).to.include({ code: 'SUBJECT_BY_TYPE', table: 'attachments' });
    await world.plain.raw('alter table attachments drop note');
    await annotate(world.plain, 'events', { columns: { note: { category: 'activity.content', protect: 'encrypt' } } });
    expect(await refusalOf(() => world.another())).to.include({ code: 'SUBJECT_IN_JSON', table: 'events' });
  });

  it('G1: exports what a reference leads to, and nothing of another kind', async () => {
    await world.plain('attachments').insert([
      { owner_id: 1, owner_type: 'Person', file_name: 'mine.txt' },
      { owner_id: 1, owner_type: 'Company', file_name: 'theirs.txt' },
    ]);
    const files = await unzip(await world.subject('person', 1).export({ profile: 'portability' }));
    const text = [...files.values()].map(String).join('\n');
    expect(text).to.contain('mine.txt').and.not.to.contain('theirs.txt');
  });

  it('G1: is one statement that reads no big table as a whole', async function () {
    this.timeout(120_000);
    await world.plain.raw(`
      insert into people (id, ref) select n, gen_random_uuid() from generate_series(100, 100000) n;
      insert into logins (person_ref, ip) select ref, 'x' from people;
      insert into imports ("Person") select id from people;
      insert into events (payload) select jsonb_build_object('user', jsonb_build_object('id', id)) from people;
      insert into attachments (id, owner_id, owner_type) select id, id, case id % 2 when 0 then 'Person' else 'Company' end from people;
      insert into versions (attachment_id, label) select id, 'x' from people;
      analyze people, logins, imports, events, attachments, versions`);
    const connection = { query: async (sql: string) => await world.plain.raw(sql.replaceAll('?', '\\?')) };
    const catalogue = await loadCatalogue(connection);
    const statement = erasureStatement(catalogue, planErasure(catalogue, catalogue.subjectTable('person')!), []);
    const client = new Client({ connectionString: world.url });
    await client.connect();
    const ids = Array.from({ length: 50 }, (_, i) => String(i * 1000 + 200));
    const tags = ids.map((id) => Buffer.from(id.padStart(16, '0')));
    const given = [ids, tags, tags, 'erased', 'a test', 'salt', ids.map(() => null)];
    const highest = Math.max(...[...statement.matchAll(/\$(\d+)/g)].map(([, n]) => Number(n)));
    const { rows } = await client.query(`explain ${statement}`, [
      ...given,
      ...Array(Math.max(0, highest - 7)).fill(null),
    ]);
    await client.end();
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    for (const table of ['people', 'logins', 'imports', 'events', 'attachments', 'versions'])
      expect(plan, plan).not.to.match(new RegExp(`Seq Scan on ${table}\\b`));
  });
});

async function sqlState(work: () => Promise<unknown>): Promise<unknown> {
  return work().then(
    () => 'done',
    (error: { code?: string }) => error.code,
  );
}
