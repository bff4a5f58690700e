/** Keys under a role of their own: what processes may do without reading or making any, and what that role may not. */
import { expect } from 'chai';
import { ConfigurationError } from '../../src';
import { runOubli } from '../support/cli';
import { addPerson } from '../support/people';
import { failureOf } from '../support/refusals';
import { createRoles, namedRoles, PROCESS_ROLES, type RolesOfWorld } from '../support/roles';
import { createWorld, type World } from '../support/world';

describe('A key store under a role of its own', function () {
  this.timeout(30_000);
  let world: World;
  let roles: RolesOfWorld;
  before(async () => {
    world = await createWorld();
    roles = await createRoles(world, 'apart', { keysApart: true });
  });
  after(async () => {
    await roles.drop();
    await world.end();
  });

  it('lets the app write about people and read them, new ones too', async () => {
    const { app } = roles.instances;
    const ada = await addPerson(app.db, 1);
    expect(await app.db('users').where({ email: ada.email }).pluck('name')).to.deep.equal([ada.name]);
    await app.db('users').where({ id: ada.id }).update({ name: 'Augusta' });
    const zip = await roles.instances.export.subject('user', ada.id).export({ profile: 'portability' });
    expect(Buffer.concat(await zip.toArray()).includes('manifest.json')).to.equal(true);
    const { rows } = await world.plain.raw(
      "select count(*)::int as n from pg_stat_activity where application_name = 'oubli keys' and usename = ?",
      [String(roles.names.keystore)],
    );
    expect(rows[0].n).to.be.at.least(2);
  });

  it('lets the purge erase, and seal anew what the law keeps, though it may read no wrapped key', async () => {
    const { app, purge } = roles.instances;
    const bob = await addPerson(app.db, 2);
    await purge.subject('user', bob.id).erase({ because: 'his request' });
    expect(await app.db('users').where({ id: bob.id }).pluck('name')).to.deep.equal([null]);
    const [address] = await app.db('invoices').where({ user_id: bob.id }).pluck('billing_address');
    expect(address).to.be.a('string');
    await purge.sweep();
    expect((await roles.instances.auditor.verifyLedger()).broken).to.deep.equal([]);
  });

  for (const role of PROCESS_ROLES)
    it(`lets the ${role} read and make no key`, async () => {
      for (const statement of [
        'select wrapped from oubli.subject_key',
        'select * from oubli.subject_key',
        'copy oubli.subject_key to stdout',
        `insert into oubli.subject_key values ('\\x00', 1, '\\x00', '\\x00')`,
        `insert into oubli.subject_link values ('user', '1', '\\x00')`,
        'update oubli.subject_key set wrapped = null',
        ...(role === 'purge' ? [] : ['update oubli.subject_link set key_id = null where false']),
      ])
        expect((await failureOf(() => roles.bare[role].raw(statement))).code, statement).to.equal('42501');
    });

  it('lets the key store make keys and read them, and nothing else', async () => {
    const { keystore } = roles.bare;
    expect(await keystore('oubli.subject_key').pluck('wrapped')).to.have.length.above(0);
    for (const statement of [
      'select id from users',
      'select billing_address from invoices',
      'select * from oubli.ledger',
      'delete from oubli.subject_key',
      'update oubli.subject_key set epoch = 1',
      'delete from oubli.subject_link',
      'insert into oubli.fence default values',
      'delete from oubli.fence',
      'insert into oubli.epoch default values',
      'insert into oubli.ledger default values',
      'delete from oubli.restriction',
      'create table oubli.mine ()',
    ])
      expect((await failureOf(() => keystore.raw(statement))).code, statement).to.equal('42501');
  });

  it('is what oubli check compares with, and what commands are told of', async () => {
    const { code, stdout } = await runOubli(['check', '--url', world.url, ...namedRoles(roles.names)]);
    expect(code, stdout).to.equal(0);
    await world.plain.raw('grant select on oubli.subject_key to ??', [roles.names.app]);
    const found = await runOubli(['check', '--url', world.url, ...namedRoles(roles.names)]);
    expect(found.stdout).to.contain('may select on oubli.subject_key');
    await world.plain.raw('revoke select on oubli.subject_key from ??', [roles.names.app]);
    await world.plain.raw(roles.script.replaceAll('?', '\\?'));
    const at = (name: string): string => {
      const url = new URL(world.url);
      url.username = encodeURIComponent(name);
      url.password = 'x';
      return url.href;
    };
    const sweep = ['sweep', '--url', at(roles.names.purge), '--keys', world.keyFile];
    const swept = await runOubli([...sweep, '--key-store-url', at(String(roles.names.keystore))]);
    expect(swept.code, swept.stderr).to.equal(0);
  });

  it('is refused where it is in another database, even in a copy of this one', async () => {
    const other = await createWorld();
    try {
      const id = await world.plain('oubli.instance').first('id');
      await other.plain('oubli.instance').update(id);
      const error = await failureOf(() => world.another({ keyStore: { knex: other.plain } }));
      expect(error).to.be.instanceOf(ConfigurationError);
      expect(error.code).to.equal('KEY_STORE_ELSEWHERE');
    } finally {
      await other.end();
    }
    const same = await world.another({ keyStore: { knex: world.plain } });
    expect(await same.db('users').first('id')).to.be.an('object');
  });

  it('is refused under a misspelt name, and without an instance', async () => {
    for (const [keyStore, code] of [
      [{ kenx: world.plain }, 'UNKNOWN_SETTING'],
      [{}, 'KEY_STORE_WITHOUT_KNEX'],
      [{ knex: 'postgres://' }, 'KEY_STORE_WITHOUT_KNEX'],
    ])
      expect((await failureOf(() => world.another({ keyStore } as never))).code).to.equal(code);
  });
});
