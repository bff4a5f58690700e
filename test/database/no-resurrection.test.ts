/** Who was erased stays erased (ERASURE.md A8), also where her row stays, and whoever writes. */
import { expect } from 'chai';
import { Client } from 'pg';
import { SubjectErasedError } from '../../src';
import { copyIn } from '../support/copy-in';
import { addPerson, type Person } from '../support/people';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

describe('An erased row that stays', () => {
  let world: World;
  let ada: Person;
  let bob: Person;
  let owner: Client;
  let plain: Client;
  before(async () => {
    world = await createWorld();
    ada = await addPerson(world.db, 1);
    bob = await addPerson(world.db, 2);
    await world.subject('user', ada.id).erase({ because: 'her request' });
    [owner, plain] = [new Client({ connectionString: world.url }), new Client({ connectionString: world.url })];
    await owner.connect();
    await plain.connect();
    await plain.query(`do $$ begin create role plain_writer; exception when duplicate_object then null; end $$;
      grant select, insert, update, delete on all tables in schema public to plain_writer;
      grant usage on all sequences in schema public to plain_writer; grant usage on schema oubli to plain_writer; set role plain_writer`);
  });
  after(async () => {
    await owner.end();
    await plain.end();
    await world.end();
  });

  async function codeOf(client: Client, sql: string): Promise<string | undefined> {
    await client.query('begin');
    const code = await client.query(sql).then(
      () => undefined,
      (error: { code: string }) => error.code,
    );
    await client.query('rollback');
    return code;
  }
  const stored = () => world.plain('users').where({ id: ada.id }).first();
  const upsert = (id: number): string =>
    `insert into users (id, email, nickname) values (${id}, oubli.tombstone((select id from oubli.element where domain = 'oubli."users.email"'::regtype), true, 'x'), 'ada')
     on conflict (id) do update set nickname = excluded.nickname`;

  it('A8: refuses what is clear or truncated as well as what is sealed, by raw SQL of its owner and of a plain role', async () => {
    const before = await stored();
    const refused = [
      `update users set nickname = 'ada' where id = ${ada.id}`,
      `update users set last_ip = '203.0.113.0' where id = ${ada.id}`,
      `update users set nickname = 'all of them'`,
      `insert into visits (user_id, ip) values (${ada.id}, '203.0.113.0')`,
      `insert into visits (user_id, at) select id, now() from users`,
      `insert into contracts (user_id, plan) values (${ada.id}, 'basic')`,
      `update visits set user_id = ${ada.id} where user_id = ${bob.id}`,
      `update invoices set user_id = ${ada.id} where user_id = ${bob.id}`,
    ];
    for (const sql of refused) {
      expect(await codeOf(owner, sql), sql).to.be.oneOf(['OU036', 'OU004']);
      expect(await codeOf(plain, sql), sql).to.be.oneOf(['OU036', 'OU004']);
    }
    expect(await codeOf(owner, upsert(ada.id))).to.equal('OU036');
    expect(await stored()).to.deep.equal(before);
  });

  it('A8: refuses MERGE and COPY too', async () => {
    const { rows } = await owner.query('show server_version_num');
    if (Number(rows[0].server_version_num) >= 150000) {
      const merge = `merge into users u using (select ${ada.id} as id) w on u.id = w.id when matched then update set nickname = 'ada'`;
      expect(await codeOf(owner, merge)).to.equal('OU036');
      const adding = `merge into visits v using (select ${ada.id} as id) w on v.user_id = w.id and false
        when not matched then insert (user_id, ip) values (w.id, '203.0.113.0')`;
      expect(await codeOf(owner, adding)).to.equal('OU036');
    }
    const copied = await failureOf(() =>
      copyIn(owner, 'copy visits (user_id, ip) from stdin', `${ada.id}\t203.0.113.0\n`),
    );
    expect(copied).to.have.property('code', 'OU036');
  });

  it('A8: says so through the seam, of what it does not seal as well', async () => {
    for (const call of [
      () => world.db('users').where({ id: ada.id }).update({ nickname: 'ada' }),
      () => world.db('users').insert({ id: ada.id, email: ada.email, nickname: 'ada' }).onConflict('id').merge(),
      () => world.db('visits').insert({ user_id: ada.id, ip: '203.0.113.77' }),
    ]) {
      const error = await failureOf(call);
      expect(error).to.be.instanceOf(SubjectErasedError);
      expect(error.message).not.to.contain('203.0.113').and.not.to.contain(ada.email);
    }
  });

  it('A8: takes what is not personal, and what says again what it holds; others are written as before', async () => {
    const taken = [
      `update users set locale = 'de' where id = ${ada.id}`,
      `update users set nickname = nickname, last_ip = null where id = ${ada.id}`,
      `update invoices set total = 7 where user_id = ${ada.id}`,
      `insert into visits (user_id, ip) values (${bob.id}, '203.0.113.0')`,
      `update users set nickname = 'bob' where id = ${bob.id}`,
    ];
    for (const sql of taken)
      for (const client of [owner, plain]) expect(await codeOf(client, sql), sql).to.equal(undefined);
    expect(await codeOf(owner, upsert(777))).to.equal(undefined);
  });

  it('A8: lets the life cycle itself end what the law kept of her', async () => {
    await world.plain('invoices').where({ user_id: ada.id }).update({ issued_on: '2001-01-01' });
    const [report] = await world.sweep({ rule: 'rows:public.invoices' });
    expect(report).to.include({ gone: 2 });
  });

  it('A8: costs an undeclared table nothing, and a declared one no trigger more than the guard’s', async () => {
    const { rows } = await owner.query(`select tgrelid::regclass::text as rel, count(*)::int as n from pg_trigger
      where not tgisinternal and tgname not like 'oubli\\_people\\_%' group by 1 order by 1`);
    const own = rows.filter(({ rel }) => !rel.startsWith('oubli.'));
    expect(own).to.deep.equal(['contracts', 'invoices', 'notes', 'users', 'visits'].map((rel) => ({ rel, n: 2 })));
  });

  it('A8: looks her up by an index of erased people alone', async () => {
    await owner.query(`insert into oubli.subject_link (kind, subject_id, erased_at) select 'user', 'x' || n, now() from generate_series(1, 5000) n;
      analyze oubli.subject_link`);
    const { rows } = await owner.query(`explain select from (values (1), (2)) t0(user_id)
      where exists (select from oubli.subject_link l where l.kind = 'user' and l.subject_id = (t0.user_id)::text and l.erased_at is not null)`);
    expect(rows.map((row) => row['QUERY PLAN']).join('\n')).to.contain('subject_link_kind_subject_id_idx');
  });
});

describe('A person whose row left with her', () => {
  it('A8: is refused by the fence where anything is sealed; of raw SQL that seals nothing only her foreign key is in the way', async () => {
    const world = await createWorld();
    try {
      const ada = await addPerson(world.db, 1);
      await world.plain('invoices').delete();
      await world.plain.raw('drop table invoices');
      const another = await world.another();
      await another.subject('user', ada.id).erase({ because: 'her request' });
      expect(await world.plain('users').where({ id: ada.id })).to.deep.equal([]);
      const again = await failureOf(() => another.db('users').insert({ id: ada.id, email: ada.email }));
      expect(again).to.be.instanceOf(SubjectErasedError);
      const visit = await failureOf(() => world.plain('visits').insert({ user_id: ada.id, ip: '203.0.113.0' }));
      expect(visit).to.have.property('code', '23503');
    } finally {
      await world.end();
    }
  });
});
