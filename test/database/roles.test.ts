/** Each role made by its script, at what it is for, and at what it must not: on a real server, as itself. */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { HoldError, install, installArchive, SCHEMA_VERSION, verifyCertificate } from '../../src';
import { moveClock } from '../../src/testing';
import { addCustomer, migrateArchive } from '../support/archive';
import { runOubli } from '../support/cli';
import { addPeople, addPerson, type Person } from '../support/people';
import { failureOf } from '../support/refusals';
import { createRoles, namedRoles, PROCESS_ROLES, type ProcessRole, type RolesOfWorld } from '../support/roles';
import { createWorld, type World } from '../support/world';

describe('The roles of the script', () => {
  let world: World;
  let roles: RolesOfWorld;
  let ada: Person;
  let left: Person[];

  before(async () => {
    world = await createWorld();
    ada = await addPerson(world.db, 1);
    left = await addPeople(world.db, 3, '2020-01-01');
    await world.db('invoices').insert({ user_id: ada.id, billing_address: 'old', total: 1, issued_on: '2001-01-01' });
    roles = await createRoles(world, 'whole');
  });
  after(async () => {
    await roles.drop();
    await world.end();
  });

  it('lets the app serve people: write, find, read, change and delete', async () => {
    const { app } = roles.instances;
    const bob = await addPerson(app.db, 2);
    expect(await app.db('users').where({ email: bob.email }).pluck('name')).to.deep.equal([bob.name]);
    await app.db('users').where({ id: bob.id }).update({ name: 'Robert' });
    expect(await app.db('users').where({ id: bob.id }).pluck('name')).to.deep.equal(['Robert']);
    await app
      .db('notes')
      .whereIn('contract_id', app.db('contracts').where({ user_id: bob.id }).select('id'))
      .delete();
    await app.insertMany('visits', [{ user_id: bob.id, ip: '192.0.2.7', at: '2026-01-01T00:00:00Z' }]);
    await app.scope({ purpose: 'hers', subjects: [app.subject('user', ada.id)] }, async () => {
      await failureOf(() => app.db('users').select('name'));
    });
    expect(await world.plain('oubli.ledger').where({ act: 'scope exceeded' })).to.have.length(1);
  });

  it('lets the purge sweep who is due and erase whom it is told, though it reads no e-mail', async () => {
    const { purge } = roles.instances;
    const reports = await purge.sweep();
    expect(reports.map(({ rule, gone, stillDue }) => [rule, gone, stillDue])).to.deep.equal([
      ['subject:user', 3, 0],
      ['rows:public.invoices', 1, 0],
    ]);
    const eve = await addPerson(world.db, 5);
    const plan = await purge.plan({ rule: 'subject:user' });
    expect(plan.plans).to.have.length(1);
    expect(await purge.due({ before: '2100-01-01' })).to.be.an('array');
    const receipt = await purge.subject('user', eve.id).erase({ because: 'her request' });
    expect(receipt.probe?.notLookedThrough.map(({ table }) => table)).to.include.members(['users', 'contracts']);
    const gone = [...left, eve].map(({ id }) => id);
    expect(await world.db('users').whereIn('id', gone).whereNotNull('name')).to.deep.equal([]);
    const kept = await world.db('invoices').whereIn('user_id', gone).pluck('billing_address');
    expect(kept.filter((address) => typeof address === 'string' && address.length > 0)).to.have.length(8);
  });

  it("lets the export hand out one person's data", async () => {
    for (const role of ['export', 'app'] as const) {
      const zip = await roles.instances[role].subject('user', ada.id).export({ profile: 'portability' });
      expect(Buffer.concat(await zip.toArray()).includes('manifest.json')).to.equal(true);
    }
    expect(await world.plain('oubli.ledger').where({ act: 'exported' })).to.have.length(2);
  });

  it('lets the auditor verify the ledger and certificates, and list what was done', async () => {
    const { auditor } = roles.instances;
    expect((await auditor.verifyLedger()).broken).to.deep.equal([]);
    const [receipt] = await auditor.receipts();
    const certificate = await auditor.certificate(receipt!.entry);
    expect(await verifyCertificate(certificate, Buffer.from(auditor.publicKey).toString('hex'))).to.equal(true);
    expect(await auditor.requests()).to.have.length(1);
    expect(await auditor.holds.list()).to.deep.equal([]);
    expect(await auditor.archive.list()).to.deep.equal([]);
  });

  it('writes a script that grants what it says, and nothing else: oubli check finds no more', async () => {
    const { code, stdout } = await runOubli(['check', '--url', world.url, ...namedRoles(roles.names)]);
    expect(stdout).to.match(/every column of every personal table is declared\n$/);
    expect(code).to.equal(0);
  });

  it('is told by oubli check what a role may do beyond its script, by which way, and how to take it back', async () => {
    const { app, purge, auditor } = roles.names;
    const other = `a team ${process.pid}`;
    await world.plain.raw('create role ??', [other]);
    try {
      await world.plain.raw('grant delete on oubli.subject_key to ??', [app]);
      await world.plain.raw('grant select (email, id) on users to ??', [purge]);
      await world.plain.raw('grant select (at) on visits to public');
      await world.plain.raw('grant update on contracts to ??', [other]);
      await world.plain.raw('grant ?? to ??', [other, auditor]);
      await world.plain.raw('grant pg_read_all_data to ??', [auditor]);
      await world.plain.raw('alter role ?? bypassrls', [app]);
      const { code, stdout } = await runOubli(['check', '--url', world.url, ...namedRoles(roles.names)]);
      expect(code).to.equal(1);
      const q = (name: string): string => `"${name.replaceAll('"', '""')}"`;
      const fixes = [...stdout.matchAll(/^ {2}fix: (.*)$/gm)].map(([, fix]) => fix as string);
      expect(fixes).to.have.members([
        `alter role ${q(app)} nobypassrls;`,
        `revoke delete on oubli.subject_key from ${q(app)};`,
        `revoke select ("email") on public.users from ${q(purge)};`,
        'revoke select ("at") on public.visits from public;',
        `revoke "pg_read_all_data" from ${q(auditor)};`,
        `revoke ${q(other)} from ${q(auditor)};`,
      ]);
      expect(stdout)
        .to.contain(`through ${other}: its script does not say so`)
        .and.contain('6 to take back from roles');
      for (const fix of fixes) await world.plain.raw(fix);
      const again = await runOubli(['check', '--url', world.url, ...namedRoles(roles.names)]);
      expect(again.code, again.stdout).to.equal(0);
    } finally {
      await world.plain.raw('drop owned by ??', [other]);
      await world.plain.raw('drop role ??', [other]);
    }
  });

  it('asks for the name of a role at least', async () => {
    const { code, stderr } = await runOubli(['roles', '--url', world.url]);
    expect(code).to.equal(1);
    expect(stderr).to.contain('no role was named').and.contain('npx oubli roles --app shop');
  });

  /** Statements that PostgreSQL refuses to who has everything but this right. */
  const everybody = [
    'delete from oubli.ledger',
    "update oubli.ledger set because = 'nothing'",
    'delete from oubli.ledger_link',
    'truncate oubli.ledger',
    'delete from oubli.fence',
    'update oubli.fence set fingerprint = null',
    'truncate oubli.subject_key',
    'update oubli.subject_key set wrapped = null',
    'update oubli.epoch set canary = null',
    'delete from oubli.element',
    'update oubli.instance set index_canary = null',
    "insert into oubli.hold_case (name) values ('x')",
    'create table oubli.mine ()',
    'alter table users disable trigger all',
    'drop table users',
    'truncate users',
    'select * from products',
  ];
  const forbidden: Record<ProcessRole, readonly string[]> = {
    app: [
      'delete from oubli.subject_key',
      'delete from oubli.subject_link',
      'insert into oubli.fence (key_id) values (null)',
      'insert into oubli.errand default values',
      'select * from oubli.held_person',
      'delete from oubli.restriction',
      'insert into oubli.epoch (id) values (9)',
    ],
    purge: [
      'select email from users',
      'select name from users',
      'select nickname from users',
      'select birth_date from users',
      'select * from users',
      'select u from users u',
      'select id from users where email is null',
      'update users set name = email::text::oubli."users.name"',
      'update users set name = null returning email',
      'delete from notes returning body',
      'update invoices set total = 0',
      'update users set locale = null',
      'insert into users default values',
      'insert into invoices default values',
      'delete from users',
      'copy users to stdout',
      'update oubli.subject_key set key_id = null',
      'insert into oubli.restriction default values',
    ],
    export: [
      'insert into users default values',
      'update users set name = null',
      'delete from visits',
      'select id from users for update',
      'delete from oubli.subject_key',
      'insert into oubli.fence default values',
      'insert into oubli.errand default values',
    ],
    auditor: [
      'select id from users',
      'select count(*) from users',
      'select email from users',
      'select * from visits',
      'select wrapped from oubli.subject_key',
      'select * from oubli.subject_link',
      'insert into oubli.ledger default values',
      'insert into oubli.subject_key default values',
      'delete from oubli.subject_key',
      'select * from oubli.deferred_request',
      'select subject_id from oubli.held_person',
    ],
  };
  for (const role of PROCESS_ROLES) {
    for (const statement of [...everybody, ...forbidden[role]])
      it(`refuses to the ${role}: ${statement}`, async () => {
        const error = await failureOf(() => roles.bare[role].raw(statement));
        expect(error.code, error.message).to.equal('42501');
      });
  }
});

/** Nothing is kept of whoever leaves, or what is kept was not sealed. */
async function migrateNothingKept(knex: Knex): Promise<void> {
  const service = { purpose: 'provide the service', basis: 'contract' } as const;
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('members', (t) => {
    t.increments('id');
    t.text('email').personal({ category: 'contact.email', protect: 'encrypt', search: 'email', unique: true });
    t.text('nickname').personal({ category: 'contact.handle', protect: 'clear', because: 'on public pages' });
    t.date('left_on').notPersonal('the event that starts the clock');
    t.dataSubject('member', { ...service, retention: { from: 'left_on', keep: '6 months', then: 'erase' } });
  });
  await knex.schema.createTable('letters', (t) => {
    t.increments('id');
    t.integer('member_id').notNullable().references('members.id').index();
    t.text('body').personal({ category: 'activity.content', protect: 'encrypt' });
    t.personalData(service);
  });
}

describe('The role that purges where nothing sealed is kept', () => {
  let world: World;
  let roles: RolesOfWorld;

  before(async () => {
    world = await createWorld({ migrate: migrateNothingKept });
    roles = await createRoles(world, 'strict');
  });
  after(async () => {
    await roles.drop();
    await world.end();
  });

  const addMember = async (db: Knex, name: string): Promise<number> => {
    const [member] = await db('members')
      .insert({ email: `${name}@example.org`, left_on: '2020-01-01' })
      .returning('id');
    await db('letters').insert({ member_id: member.id, body: `from ${name}` });
    return Number(member.id);
  };

  it('reads neither an e-mail nor a key, and what it reads of keys opens nothing', async () => {
    for (const statement of [
      'select email from members',
      'select body from letters',
      'select nickname from members',
      'select wrapped from oubli.subject_key',
      'select * from oubli.subject_key',
      'select k from oubli.subject_key k',
      'delete from oubli.subject_key returning wrapped',
      'update oubli.subject_key set keep_until = null where wrapped is null',
      'copy oubli.subject_key to stdout',
    ])
      expect((await failureOf(() => roles.bare.purge.raw(statement))).code, statement).to.equal('42501');
  });

  it('sweeps who is due, erases whom it is told, and waits for who is held', async () => {
    const { app, purge } = roles.instances;
    for (const name of ['ada', 'bob', 'cyd']) await addMember(app.db, name);
    const [report] = await purge.sweep();
    expect(report).to.include({ gone: 3, stillDue: 0, finished: true });
    const [dan, eve] = [await addMember(app.db, 'dan'), await addMember(app.db, 'eve')];
    await purge.subject('member', dan).erase({ because: 'his request' });
    expect(await world.plain('members').where({ id: dan })).to.deep.equal([]);
    await world.holds.open({ name: 'a suit', ground: 'Art. 17(3)(e)' });
    await world.holds.place('a suit', world.subject('member', eve));
    expect(await failureOf(() => purge.subject('member', eve).erase({ because: 'hers' }))).to.be.instanceOf(HoldError);
    await app.db('letters').insert({ member_id: eve, body: 'while she is held' });
    expect((await failureOf(() => app.db('members').where({ id: eve }).delete())).message).to.not.contain('permission');
    await world.holds.release('a suit', { because: 'settled' });
    const [{ tomorrow }] = (await world.plain.raw("select (oubli.now() + '1 day')::date::text as tomorrow")).rows;
    await world.holds.open({ name: 'for a day', ground: 'Art. 17(3)(e)', until: tomorrow });
    const fay = await addMember(app.db, 'fay');
    await world.holds.place('for a day', world.subject('member', fay));
    await purge.sweep();
    expect(await world.plain('members').pluck('id')).to.deep.equal([fay]);
    await moveClock(world.plain, '3 days');
    await purge.sweep();
    expect(await world.plain('members')).to.deep.equal([]);
    expect(await world.plain('oubli.subject_key')).to.deep.equal([]);
    expect((await roles.instances.auditor.verifyLedger()).broken).to.deep.equal([]);
  });

  it('destroys keys that nobody uses, though it may not read what they would open', async () => {
    const { app, purge } = roles.instances;
    const member = { id: 900, email: 'lost@example.org' };
    const trx = await app.db.transaction();
    await trx('members').insert(member);
    await trx.rollback();
    const stays = await addMember(app.db, 'gus');
    await world.plain('members').where({ id: stays }).update({ left_on: null });
    expect(await world.plain('oubli.subject_key')).to.have.length(2);
    for (const night of ['20 days', '30 days', '40 days', '50 days', '60 days'] as const) {
      await moveClock(world.plain, night);
      await purge.sweep();
    }
    expect(await world.plain('oubli.subject_link').pluck('subject_id')).to.deep.equal([String(stays)]);
    expect(await world.plain('oubli.subject_key')).to.have.length(1);
  });
});

describe('The role that purges into an archive', () => {
  let world: World;
  let roles: RolesOfWorld;

  before(async () => {
    world = await createWorld({ migrate: migrateArchive });
    await installArchive(world.plain, {});
    roles = await createRoles(world, 'archive');
    await installArchive(world.plain, { movers: [roles.names.purge] });
  });
  after(async () => {
    await world.plain.raw('drop schema oubli_archive cascade');
    await roles.drop();
    await world.end();
  });

  it('moves what the law has kept, and cannot read it there', async () => {
    const { app, purge } = roles.instances;
    const ada = await addCustomer(app.db, 'Ada');
    await purge.subject('user', ada.id).erase({ because: 'her request' });
    await purge.sweep();
    expect(await world.plain('oubli_archive.archived_row')).to.have.length.above(1);
    const refused = await failureOf(() => roles.bare.purge.raw('select * from oubli_archive.archived_row'));
    expect(refused.code).to.equal('42501');
  });
});
