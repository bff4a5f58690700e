/** What the type cannot know, the guard of the table does: whose key a value is under, and whether that key lives (K4). */
import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

describe('The guard of a table with sealed columns', () => {
  let world: World;
  let ada: { id: number; name: Buffer; email: Buffer };
  let bob: { id: number; name: Buffer; email: Buffer };
  beforeEach(async () => {
    world = await createWorld();
    await world.db('users').insert([
      { name: 'Ada', email: 'ada@example.org' },
      { name: 'Bob', email: 'bob@example.org' },
    ]);
    [ada, bob] = await world.plain('users').select('id', 'name', 'email').orderBy('id');
  });
  afterEach(() => world.end());

  const codeOf = async (call: () => Promise<unknown>): Promise<unknown> => (await failureOf(call)).code;
  /** As an erasure does: fenced, then destroyed. */
  async function shred(id: number): Promise<void> {
    await world.plain.raw(
      `with dead as (select key_id from oubli.subject_link where kind = 'user' and subject_id = ?),
         fenced as (insert into oubli.fence select k.key_id, k.fingerprint, null, now() from oubli.subject_key k join dead using (key_id))
       delete from oubli.subject_key k using dead where k.key_id = dead.key_id`,
      [String(id)],
    );
  }

  it('lets a value be written again to its own row', async () => {
    await world.plain('users').where({ id: ada.id }).update({ name: ada.name });
    expect(await world.db('users').where({ id: ada.id }).first('name')).to.deep.equal({ name: 'Ada' });
  });

  it('refuses another person’s value, moved by INSERT or UPDATE', async () => {
    expect(await codeOf(() => world.plain('users').where({ id: bob.id }).update({ name: ada.name }))).to.equal('OU004');
    expect(await codeOf(() => world.plain('users').insert({ id: 99, name: ada.name, email: bob.email }))).to.be.oneOf([
      'OU004',
      '23505',
    ]);
    expect(
      await codeOf(() => world.plain.raw('update users u set name = o.name from users o where o.id <> u.id')),
    ).to.equal('OU004');
  });

  it('refuses a value under a key that was destroyed, or never was', async () => {
    await shred(ada.id);
    await world.plain('users').where({ id: ada.id }).delete();
    expect(await codeOf(() => world.plain('users').insert(ada))).to.equal('OU002');
    const invented = Buffer.from(bob.name);
    invented.fill(7, 8, 24); // the key id of a column without search
    expect(await codeOf(() => world.plain('users').where({ id: bob.id }).update({ name: invented }))).to.equal('OU002');
  });

  it('refuses to give a destroyed key back, even under another id', async () => {
    const [key] = await world
      .plain('oubli.subject_key')
      .join('oubli.subject_link as l', 'l.key_id', 'subject_key.key_id')
      .where({ subject_id: String(ada.id) })
      .select('subject_key.*');
    await shred(ada.id);
    expect(await codeOf(() => world.plain('oubli.subject_key').insert(key))).to.equal('OU002');
    const renamed = { ...key, key_id: Buffer.alloc(16, 1) };
    expect(await codeOf(() => world.plain('oubli.subject_key').insert(renamed))).to.equal('OU002');
  });

  it('refuses to hand another person’s sealed row over by its foreign key', async () => {
    await world.db('contracts').insert({ user_id: ada.id, signatory: 'Ada' });
    expect(await codeOf(() => world.plain('contracts').update({ user_id: bob.id }))).to.equal('OU004');
    expect(await world.plain('contracts').pluck('user_id')).to.deep.equal([ada.id]);
  });

  it('lets the writer of a value wait for an erasure that is under way, and then refuses', async () => {
    const erasing = await world.plain.transaction();
    await erasing.raw(
      `delete from oubli.subject_key where key_id = (select key_id from oubli.subject_link where subject_id = ?)`,
      [String(ada.id)],
    );
    const writing = failureOf(() => world.plain('users').where({ id: ada.id }).update({ name: ada.name }));
    await waitForLock();
    await erasing.commit();
    expect((await writing).code).to.equal('OU002');
  });

  async function waitForLock(): Promise<void> {
    for (let attempt = 0; attempt < 200; attempt++) {
      const { rows } = await world.plain.raw(
        `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
      );
      if (rows.length > 0) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error('nobody waits');
  }

  it('works for whoever may write the table, without rights on the key store', async () => {
    const writer = `writer_${randomBytes(8).toString('hex')}`; // roles belong to the whole server
    const grants = `grant usage on schema public to ${writer}; grant select, insert, update on users to ${writer}`;
    await world.plain.raw(`create role ${writer}; ${grants}`);
    try {
      await world.plain.transaction(async (trx) => {
        await trx.raw(`set local role ${writer}`);
        await trx('users').where({ id: ada.id }).update({ name: ada.name });
      });
    } finally {
      await world.plain.raw(`drop owned by ${writer}; drop role ${writer}`);
    }
  });

  it('stands on tables that hold a subject’s data too, and follows a column that is added', async () => {
    await world.db('contracts').insert({ user_id: ada.id, signatory: 'Ada' });
    const [contract] = await world.plain('contracts').select();
    await shred(ada.id);
    await world.plain('contracts').delete();
    expect(await codeOf(() => world.plain('contracts').insert(contract))).to.equal('OU002');
  });

  it('sleeps in a session that replays (session_replication_role), where the type still refuses plaintext', async () => {
    const trx = await world.plain.transaction();
    await trx.raw(`set local session_replication_role = replica`);
    expect(
      await codeOf(() =>
        trx('users')
          .where({ id: ada.id })
          .update({ name: Buffer.from('Ada') }),
      ),
    ).to.equal('23514');
    await trx.rollback();
  });
});
