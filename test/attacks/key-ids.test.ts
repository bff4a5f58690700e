/**
 * Keys of people, as somebody finds them who reads all that oubli writes about them: committed before anything is sealed under them
 * (ENVELOPE.md K3), and named by an id that says nothing of anybody (K2).
 */
import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { install, SCHEMA_VERSION } from '../../src';
import { keyIdOf } from '../../src/crypto/envelope';
import { type JournalFile, makeJournalFile } from '../support/journal-file';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

/** People who are named by what is personal itself. */
async function migrateLogins(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('logins', (t) => {
    t.text('login').primary().personal({ category: 'account.id', protect: 'clear', because: 'they log in with it' });
    t.text('name').personal({ category: 'identity.name', protect: 'encrypt' });
    t.dataSubject('login', {
      purpose: 'provide the service',
      basis: 'contract',
      retention: { from: { event: 'service_ended' }, keep: '6 months', then: 'erase' },
    });
  });
}

describe('The keys of people', () => {
  let outside: JournalFile;
  let world: World;
  before(async () => {
    outside = await makeJournalFile();
    world = await createWorld({ migrate: migrateLogins, oubli: { journal: outside.journal } });
  });
  after(async () => {
    await world.end();
    await outside.remove();
  });

  const keyOf = async (login: string): Promise<Buffer> =>
    (await world.plain('oubli.subject_link').where({ subject_id: login }).first()).key_id;

  it('K3: are committed on a connection of their own before anything sealed under them, and a ROLLBACK takes none back', async () => {
    const trx = await world.db.transaction();
    await trx('logins').insert({ login: 'rolled back', name: 'N' });
    expect(await world.plain('logins').where({ login: 'rolled back' }), 'not committed').to.deep.equal([]);
    const first = await keyOf('rolled back');
    expect(await world.plain('oubli.subject_key').where({ key_id: first })).to.have.length(1);
    await trx.rollback();
    await world.db('logins').insert({ login: 'rolled back', name: 'M' });
    const [{ name }] = await world.plain('logins').where({ login: 'rolled back' });
    expect(Buffer.from(keyIdOf(name))).to.deep.equal(first);
    const fresh = await world.another({ journal: outside.journal });
    expect(await fresh.db('logins').where({ login: 'rolled back' }).pluck('name')).to.deep.equal(['M']);
  });

  it('K2: are 16 random bytes, each its own, in one life and the next', async () => {
    const logins = Array.from({ length: 200 }, (_, i) => ({ login: `many ${i}`, name: 'N' }));
    await world.db('logins').insert(logins);
    const login = 'many 0';
    const before = await keyOf(login);
    await world.subject('login', login).erase({ because: 'request', probe: 'off' });
    await world.subject('login', login).allowNewLifecycle({ because: 'came back' });
    const ids: Buffer[] = [before, ...(await world.plain('oubli.subject_key').pluck('key_id'))];
    expect(ids.every((id) => id.length === 16)).to.equal(true);
    expect(new Set(ids.map((id) => id.toString('hex'))).size).to.equal(ids.length);
    // of 200 ids each byte differs: none counts up, or begins as the others do
    for (let place = 0; place < 16; place++) expect(new Set(ids.map((id) => id[place])).size).to.be.greaterThan(64);
  });

  it('K2: are the only name of somebody in ledger, journal, fence, receipt, certificate and errors', async () => {
    const [login, name] = ['canary-login@example.org', 'Canary Person'];
    const her = world.subject('login', login);
    await world.db('logins').insert({ login, name });
    const id = (await keyOf(login)).toString('hex');
    await her.restrict({ because: 'disputed' });
    await her.liftRestriction({ because: 'settled', inform: () => undefined });
    await world.holds.open({ name: 'case 1', ground: 'lawsuit' });
    await world.holds.place('case 1', her);
    const held = await failureOf(() => her.erase({ because: 'request', probe: 'off' }));
    await world.holds.release('case 1', { because: 'judgment' });
    const receipt = await her.erase({ because: 'request', probe: 'off' });
    const erased = await failureOf(() => world.db('logins').insert({ login, name }));
    await her.allowNewLifecycle({ because: 'came back' });
    const again = await failureOf(() => her.allowNewLifecycle({ because: 'came back' }));

    const rows = async (table: string): Promise<unknown> =>
      (await world.plain.raw(`select array_agg(t::text) as text from ${table} t`)).rows[0].text;
    const written = {
      ledger: await rows('oubli.ledger'),
      fence: await rows('oubli.fence'),
      keys: await rows('oubli.subject_key'),
      journal: await readFile(outside.file, 'utf8'),
      receipt,
      certificate: await world.certificate(receipt.entry),
    };
    for (const [where, text] of Object.entries(written)) {
      expect(JSON.stringify(text), where).not.to.match(/canary/i);
      if (where !== 'keys') expect(JSON.stringify(text), where).to.contain(id);
    }
    for (const error of [held, erased, again]) expect(String(error.stack)).not.to.match(/canary/i);
  });
});
