import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { parseEnvelope } from '../../src/crypto/envelope';
import { addPerson, type Person } from '../support/people';
import { createWorld, type World } from '../support/world';

/** Promise P14 (article 6): personal data is pseudonymised and encrypted. Every assertion reads what is stored. */
describe('P14: personal data is pseudonymised and encrypted', () => {
  let world: World;
  let ada: Person;
  let bob: Person;
  let stored: Record<string, Record<string, unknown>>;

  before(async () => {
    world = await createWorld();
    ada = await addPerson(world.db, 1);
    bob = await addPerson(world.db, 2);
    for (const { id } of [ada, bob])
      await world.db('users').where({ id }).update({ crm_id: 'CRM-7', last_ip: '192.0.2.9' });
    const rows = await world.plain('users').orderBy('id');
    stored = { ada: rows[0], bob: rows[1] };
  });
  after(() => world.end());

  describe('names, e-mail addresses and dates of birth', () => {
    it('are stored as ciphertext of which no part can be read', async () => {
      for (const column of ['name', 'email', 'birth_date']) {
        const bytes = stored.ada?.[column] as Buffer;
        expect(bytes.subarray(0, 3).toString('hex'), column).to.equal('a70b01');
        for (const known of [ada.name, ada.email, ada.email.split('@')[0] as string, '1980']) {
          expect(bytes.includes(known), `${column} holds a known text`).to.equal(false);
        }
      }
    });

    it('look different for every person and at every writing, although they are equal', async () => {
      const read = async (): Promise<Buffer[]> => world.plain('users').orderBy('id').pluck('birth_date');
      const [one, other] = await read();
      expect(one!.equals(other!)).to.equal(false);
      await world.db('users').where({ id: ada.id }).update({ birth_date: '1980-02-29' });
      expect((await read())[0]!.equals(one!)).to.equal(false);
    });

    it('do not betray the length of a name', async () => {
      await world.db('users').where({ id: ada.id }).update({ name: 'Al' });
      const [short] = await world.plain('users').where({ id: ada.id }).pluck('name');
      await world.db('users').where({ id: ada.id }).update({ name: 'Maximiliane' });
      const [long] = await world.plain('users').where({ id: ada.id }).pluck('name');
      expect(short.length).to.equal(long.length);
    });

    it('are sealed under a key that each person has for herself', () => {
      const keyOf = (who: string): string =>
        Buffer.from(parseEnvelope(stored[who]?.email as Buffer).keyId).toString('hex');
      expect(keyOf('ada')).not.to.equal(keyOf('bob'));
    });

    it('cannot be opened with what the database holds: its keys are wrapped', async () => {
      const keys = await world.plain('oubli.subject_key').select('wrapped');
      expect(keys.length).to.be.greaterThan(1);
      for (const { wrapped } of keys) expect(wrapped.length).to.be.greaterThan(32);
      const material = readFileSync(world.keyFile, 'utf8');
      for (const { wrapped } of keys) expect(material).not.to.contain(wrapped.toString('base64'));
      expect(new Set(keys.map(({ wrapped }) => wrapped.toString('hex')))).to.have.length(keys.length);
    });

    it('are opened for the application, which reads what it wrote', async () => {
      const row = await world.db('users').where({ email: bob.email.toUpperCase() }).first();
      expect(row).to.include({ name: bob.name, email: bob.email });
    });
  });

  describe('an identifier of another system', () => {
    it('is stored as a pseudonym: the same for one person at every writing', async () => {
      expect(stored.ada?.crm_id).to.match(/^psn1\.[A-Za-z0-9_-]{43}$/);
      await world.db('users').where({ id: ada.id }).update({ crm_id: 'CRM-7' });
      expect(await world.plain('users').where({ id: ada.id }).pluck('crm_id')).to.deep.equal([stored.ada?.crm_id]);
    });

    it('is another one for another person, and for another value', async () => {
      expect(stored.bob?.crm_id).not.to.equal(stored.ada?.crm_id);
      await world.db('users').where({ id: bob.id }).update({ crm_id: 'CRM-8' });
      expect(await world.plain('users').where({ id: bob.id }).pluck('crm_id')).not.to.include(stored.bob?.crm_id);
    });

    it('cannot be made again once the person is erased: who had the list could not match it', async () => {
      const eve = await addPerson(world.db, 3);
      await world.db('users').where({ id: eve.id }).update({ crm_id: 'CRM-7' });
      const [before] = await world.plain('users').where({ id: eve.id }).pluck('crm_id');
      await world.subject('user', eve.id).erase({ because: 'a test' });
      const again = await world
        .db('users')
        .where({ id: eve.id })
        .update({ crm_id: 'CRM-7' })
        .then(
          () => 'written',
          (error) => error.code,
        );
      expect(again).to.equal('SUBJECT_ERASED');
      const { rows } = await world.plain.raw('select count(*)::int as n from users where crm_id = ?', [before]);
      expect(rows[0].n).to.equal(0);
    });
  });

  it('an IP address is stored without the part that tells one household from the next', () => {
    expect(stored.ada?.last_ip).to.equal('192.0.2.0');
  });

  it('what stays readable was declared so, with the reason, for everybody who looks', async () => {
    expect(stored.ada?.nickname).to.equal('nick1');
    const { rows } = await world.plain.raw(
      `select col_description('users'::regclass, attnum) as said from pg_attribute where attrelid = 'users'::regclass and attname = 'nickname'`,
    );
    expect(rows[0].said).to.contain('protect=clear').and.to.contain('because=shown on public pages');
  });

  it('nothing of what was encrypted stands in the file of the table, where what is clear does', async () => {
    await world.plain.raw('checkpoint');
    const { rows } = await world.plain.raw(
      `select position(convert_to(?, 'UTF8') in file) as sealed, position(convert_to('nick2', 'UTF8') in file) as clear
       from pg_read_binary_file(pg_relation_filepath('users')) file`,
      [bob.name],
    );
    expect(rows[0].clear).to.be.greaterThan(0);
    expect(rows[0].sealed).to.equal(0);
  });
});
