/** References that PostgreSQL has no foreign key for: whose a row is, and that it leaves with her (ERASURE.md G1). */
import { expect } from 'chai';
import type { Receipt } from '../../src';
import { migrateReferring } from '../support/referring';
import { createWorld, type World } from '../support/world';

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
});
