/** The right to restriction (GDPR Art. 18): stored, and otherwise left alone, in every process and against raw SQL. */
import { expect } from 'chai';
import { Client } from 'pg';
import { annotate, ConfigurationError, HoldError, type Oubli, RestrictedError, type SweepReport } from '../../src';
import { addPerson, type Person } from '../support/people';
import { expectFix, failureOf, refusalOf } from '../support/refusals';
import { until } from '../support/waiting';
import { createWorld, type World } from '../support/world';
import { unzip } from '../support/zip';

describe('A restriction', () => {
  let world: World;
  let second: Oubli;
  let ada: Person;
  let bob: Person;
  beforeEach(async () => {
    world = await createWorld();
    second = await world.another();
    ada = await addPerson(world.db, 1);
    bob = await addPerson(world.db, 2);
  });
  afterEach(() => world.end());

  const restrict = (ground?: 'accuracy' | 'unlawful' | 'claims' | 'objection') =>
    world.subject('user', ada.id).restrict({ because: 'says it is wrong', ...(ground ? { ground } : {}) });
  const lift = () => world.subject('user', ada.id).liftRestriction({ because: 'settled', inform: () => undefined });
  const readIn = (instance: Pick<Oubli, 'db'>) => instance.db('users').where({ id: ada.id }).first('name');

  it('Art. 18: from the commit on nobody reads her, in another process within a second; afterwards everybody again', async () => {
    expect(await readIn(second)).to.deep.equal({ name: ada.name }); // so that its cache holds her key
    await restrict();
    const error = await refusalOf(() => readIn(world));
    expect(error)
      .to.be.instanceOf(RestrictedError)
      .and.to.include({ code: 'RESTRICTED', table: 'users', column: 'name' });
    expectFix(error, /oubli\.is_restricted\('user'/, [ada.name]);
    await until(
      'the other process heard of it',
      () =>
        readIn(second).then(
          () => false,
          () => true,
        ),
      1,
    );
    await lift();
    for (const instance of [world, second]) expect(await readIn(instance)).to.deep.equal({ name: ada.name });
  });

  it('Art. 18: refuses a list with her in it, and says how to leave her out; nothing is silently empty', async () => {
    await restrict();
    expect(await failureOf(() => world.db('users').select('name'))).to.be.instanceOf(RestrictedError);
    expect(await failureOf(() => world.db.raw('select jsonb_agg(name) from users'))).to.be.instanceOf(RestrictedError);
    expect(
      await world.db('users').select('name').whereRaw(`not oubli.is_restricted('user', users.id::text)`),
    ).to.deep.equal([{ name: bob.name }]);
    expect(await world.db('users').where({ id: ada.id }).first('locale')).to.deep.equal({ locale: 'fr' });
  });

  it('Art. 18: a write about her does not bring her key back into a cache from which she is read', async () => {
    await restrict();
    const error = await failureOf(() => world.db('contracts').insert({ user_id: ada.id, signatory: 'Ada' }));
    expect(error).to.be.instanceOf(RestrictedError).and.to.have.property('code', 'RESTRICTED_WRITE');
    expect(await failureOf(() => readIn(world))).to.be.instanceOf(RestrictedError);
  });

  it('Art. 18: whoever tells of her what a column of hers would hold hears so by name, in whosever transaction', async () => {
    await world.plain.raw('create table fans (id int primary key, left_on date); insert into fans values (1)');
    await annotate(world.plain, 'fans', {
      subject: {
        kind: 'fan',
        purpose: 'a club',
        basis: 'contract',
        retention: { from: 'left_on', keep: '1 month', then: 'erase' },
      },
      columns: { left_on: { category: 'activity.content', protect: 'clear', because: 'a date of hers' } },
    });
    const fan = (await world.another()).subject('fan', 1);
    await fan.restrict({ because: 'says it is wrong', ground: 'accuracy' });
    const calls = [
      () => fan.serviceEnded(),
      () => world.db.transaction((trx) => fan.serviceEnded({ trx })),
      () => world.plain.transaction((trx) => fan.serviceEnded({ trx })),
    ];
    for (const call of calls) {
      const error = await failureOf(call);
      expect(error).to.be.instanceOf(RestrictedError).and.to.include({ code: 'RESTRICTED_WRITE', table: 'fans' });
    }
    expect(await world.plain('fans').pluck('left_on')).to.deep.equal([null]);
  });

  it('Art. 18: rows about her are neither added nor changed by raw SQL, of the owner or a plain role, whatever replicates', async () => {
    await restrict();
    const [owner, plain] = [new Client({ connectionString: world.url }), new Client({ connectionString: world.url })];
    await owner.connect();
    await plain.connect();
    await owner.query('set session_replication_role = replica');
    await plain.query(`do $$ begin create role plain_writer; exception when duplicate_object then null; end $$;
      grant select, insert, update, delete on all tables in schema public to plain_writer;
      grant usage on all sequences in schema public to plain_writer; grant usage on schema oubli to plain_writer; set role plain_writer`);
    const codeOf = async (client: Client, sql: string): Promise<unknown> => {
      await client.query('begin');
      const code = await client.query(sql).then(
        () => undefined,
        (error: { code: string }) => error.code,
      );
      await client.query('rollback');
      return code;
    };
    const refused = [
      `update users set nickname = 'x' where id = ${ada.id}`,
      'update users set name = null',
      `insert into visits (user_id, at) values (${ada.id}, now())`,
      `update visits set user_id = ${ada.id} where user_id = ${bob.id}`,
      `update visits set user_id = ${bob.id} where user_id = ${ada.id}`,
      'update notes set body = null',
    ];
    const allowed = [
      `update users set locale = 'de', service_ended_on = '2020-01-01' where id = ${ada.id}`,
      `update users set nickname = 'x' where id = ${bob.id}`,
      `insert into visits (user_id, at) values (${bob.id}, now())`,
    ];
    for (const client of [owner, plain]) {
      for (const sql of refused) expect(await codeOf(client, sql), sql).to.equal('OU037');
      for (const sql of allowed) expect(await codeOf(client, sql), sql).to.equal(undefined);
    }
    await lift();
    for (const client of [owner, plain])
      for (const sql of refused.slice(0, 3)) expect(await codeOf(client, sql), sql).to.equal(undefined);
    const { rows } = await owner.query(`select tgname from pg_trigger where tgname ~ '^oubli_(hold|restricted)'`);
    expect(rows).to.deep.equal([]);
    await owner.end();
    await plain.end();
  });

  it('Art. 18: her own export stays possible, and holds what is restricted', async () => {
    await restrict();
    const files = await unzip(await world.subject('user', ada.id).export({ profile: 'portability' }));
    expect(String(files.get('users.json'))).to.contain(ada.name);
    expect(await failureOf(() => readIn(world))).to.be.instanceOf(RestrictedError);
  });

  it('Art. 18: so does her erasure, by request and when it is due', async () => {
    await restrict('accuracy');
    await world.db('users').where({ id: ada.id }).update({ service_ended_on: '2020-01-01' });
    const [report] = (await world.sweep({ rule: 'subject:user' })) as [SweepReport];
    expect(report).to.deep.include({ gone: 1, held: [] });
    expect(await world.plain('oubli.restriction')).to.deep.equal([]);
    await world.subject('user', bob.id).restrict({ because: 'objects', ground: 'objection' });
    expect((await world.subject('user', bob.id).erase({ because: 'her request' })).anonymised).to.have.length(1);
  });

  for (const ground of ['unlawful', 'claims'] as const) {
    it(`Art. 18(1): under '${ground}' she opposes the erasure: it waits until the restriction is lifted`, async () => {
      await restrict(ground);
      await world.db('users').where({ id: ada.id }).update({ service_ended_on: '2020-01-01' });
      const because = `restriction (GDPR Art. 18(1)(${ground === 'unlawful' ? 'b' : 'c'}))`;
      const [report] = (await world.sweep({ rule: 'subject:user' })) as [SweepReport];
      expect(report).to.deep.include({ gone: 0, held: [{ because, count: 1 }] });
      const error = await refusalOf(() => world.subject('user', ada.id).erase({ because: 'a mistake' }));
      expect(error).to.be.instanceOf(HoldError);
      expectFix(error, /liftRestriction/);
      expect(await failureOf(() => world.plain('visits').where({ user_id: ada.id }).delete())).to.have.property(
        'code',
        'OU035',
      );
      await lift();
      const [again] = (await world.sweep({ rule: 'subject:user' })) as [SweepReport];
      expect(again).to.deep.include({ gone: 1, held: [] });
    });
  }

  it('Art. 18(3): she is told before it is lifted, and nothing is lifted when that fails', async () => {
    await restrict();
    const { liftRestriction } = world.subject('user', ada.id);
    const subject = world.subject('user', ada.id);
    const failing = failureOf(() =>
      liftRestriction.call(subject, { because: 'x', inform: () => Promise.reject(new Error('no mail')) }),
    );
    expect((await failing).message).to.equal('no mail');
    expect(await failureOf(() => readIn(world))).to.be.instanceOf(RestrictedError);
    const untold = await refusalOf(() => liftRestriction.call(subject, { because: 'x' } as never));
    expect(untold.code).to.equal('NOT_INFORMED');
    let toldWhile: unknown;
    await subject.liftRestriction({
      because: 'corrected',
      inform: async () => {
        toldWhile = await failureOf(() => readIn(world));
      },
    });
    expect(toldWhile).to.be.instanceOf(RestrictedError);
    const acts = await world.plain('oubli.ledger').orderBy('entry').select('act', 'because', 'details');
    expect(acts).to.deep.equal([
      { act: 'restricted', because: 'says it is wrong', details: { kind: 'user', ground: 'accuracy' } },
      { act: 'restriction lifted', because: 'corrected', details: { kind: 'user', ground: 'accuracy' } },
    ]);
  });

  it('Art. 18: says what is wrong with it, and how to write it', async () => {
    const subject = world.subject('user', ada.id);
    const wrong: [() => Promise<unknown>, string][] = [
      [() => subject.restrict({ because: '' }), 'HOLD_NO_BECAUSE'],
      [() => subject.restrict({ because: 'x', ground: 'claim' as never }), 'BAD_GROUND'],
      [() => subject.liftRestriction({ because: 'x', inform: () => undefined }), 'NOT_RESTRICTED'],
      [() => world.subject('usr', 1).restrict({ because: 'x' }), 'UNKNOWN_KIND'],
    ];
    for (const [call, code] of wrong) {
      const error = await refusalOf(call);
      expect(error).to.be.instanceOf(ConfigurationError).and.to.have.property('code', code);
      expectFix(error, /./);
    }
    await restrict();
    expect((await refusalOf(restrict)).code).to.equal('RESTRICTED_ALREADY');
  });
});
