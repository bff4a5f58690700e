/**
 * What is found, and whose it is, while values are sealed anew and afterwards: an index over several columns, search tokens, rows of several
 * people, partitions; by several workers, while an application writes.
 */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { annotate, install, SCHEMA_VERSION } from '../../src';
import { keyIdOf } from '../../src/crypto/envelope';
import { type StoredTable, storedTables } from '../../src/lifecycle/reseal/stored';
import { usedIn } from '../../src/lifecycle/reseal/uses';
import { affectedRows } from '../../src/lifecycle/reseal/values';
import { createWorld, type World } from '../support/world';

const SERVICE = { purpose: 'provide the service', basis: 'contract' } as const;
const PERSON = { ...SERVICE, retention: { from: 'ended_on', keep: '6 months', then: 'erase' } } as const;
const BECAUSE = 'a laptop was stolen';
const PEOPLE = 300;

async function migrate(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('patients', (t) => {
    t.increments('id');
    t.text('name').personal({
      category: 'identity.name',
      protect: 'encrypt',
      search: { as: 'unaccented', with: { born: 'exact' } },
      unique: true,
    });
    t.date('born').personal({ category: 'identity.birth_date', protect: 'encrypt' });
    t.text('bio').personal({
      category: 'activity.content',
      protect: 'encrypt',
      tokens: { words: true, prefix: { min: 3, max: 5 }, as: 'lowercase' },
      acknowledgeLeak: 'the counter looks people up',
    });
    t.integer('visits').notPersonal('a number');
    t.date('ended_on').notPersonal('the event that starts the clock');
    t.dataSubject('patient', PERSON);
  });
  await knex.raw(`
    create table letters (id int, day date, sender_id int references patients, recipient_id int references patients, body text, answer text)
      partition by range (day);
    create table letters_old partition of letters for values from (minvalue) to ('2026-01-01');
    create table letters_new partition of letters for values from ('2026-01-01') to (maxvalue);
    create index on letters (sender_id); create index on letters (recipient_id);`);
  const content = { category: 'activity.content', protect: 'encrypt' } as const;
  await annotate(knex, 'letters', {
    data: { ...SERVICE, subject: { via: 'sender_id' } },
    columns: {
      id: { notPersonal: 'a number' },
      day: { notPersonal: 'a date' },
      body: content,
      answer: { ...content, subject: { via: 'recipient_id' } },
    },
  });
}

describe('Values that are sealed anew', function () {
  this.timeout(60_000);
  let world: World;
  before(async () => {
    world = await createWorld({ migrate });
    const people = Array.from({ length: PEOPLE }, (_, i) => ({
      ...{ name: `Zoé ${i}`, born: '1990-01-02', bio: `likes word${i} and tea`, visits: 0 },
    }));
    await world.db.batchInsert('patients', people, 100);
    const letters = Array.from({ length: PEOPLE }, (_, i) => ({
      ...{ id: i + 1, day: i % 2 ? '2025-05-05' : '2026-05-05', sender_id: i + 1, recipient_id: PEOPLE - i },
      ...{ body: `body ${i + 1}`, answer: `answer ${i + 1}` },
    }));
    await world.db.batchInsert('letters', letters, 100);
  });
  after(() => world.end());

  const keyOf = async (id: number): Promise<string> => {
    const [link] = await world.plain('oubli.subject_link').where({ kind: 'patient', subject_id: String(id) });
    return link.key_id.toString('hex');
  };

  async function everythingIsFound(): Promise<void> {
    const { db } = await world.another();
    expect(await db('patients').where({ name: 'ZOE 7', born: '1990-01-02' }).pluck('id')).to.deep.equal([8]);
    expect(await db('patients').whereILike('bio', 'lik%')).to.have.length(PEOPLE);
    expect(await db('patients').where('bio', '@@', 'tea word7').pluck('id')).to.deep.equal([8]);
    const letters = await db('letters').orderBy('id').select('id', 'body', 'answer');
    expect(letters).to.have.length(PEOPLE);
    for (const { id, body, answer } of letters) expect([body, answer]).to.deep.equal([`body ${id}`, `answer ${id}`]);
  }

  it('K3, K5: by two workers at once, while the application writes; nothing that was written is lost', async () => {
    const written = new Map<number, string>();
    let isOver = false;
    const writing = (async (): Promise<void> => {
      const other = await world.another();
      for (let i = 0; !isOver; i++) {
        const id = (i * 37) % PEOPLE;
        await other
          .db('patients')
          .where({ id: id + 1 })
          .update({ bio: `likes word${id} and tea ${i}`, visits: i });
        written.set(id + 1, `likes word${id} and tea ${i}`);
        if (i % 10 === 0) await other.db('patients').insert({ name: `new ${i}`, born: '2000-01-01', visits: i });
      }
    })();
    const other = await world.another();
    const reports = await Promise.all([
      world.epochs.compromised(1, { because: BECAUSE, pace: { rest: 0, patience: 0 } }),
      other.epochs.compromised(1, { because: BECAUSE, pace: { rest: 0, patience: 0 } }),
    ]);
    isOver = true;
    await writing;
    expect(reports.map(({ finished }) => finished)).to.deep.equal([true, true]);
    const replaced = reports.reduce((sum, report) => sum + report.replaced, 0);
    expect(replaced).to.be.at.least(PEOPLE);
    expect(reports.reduce((sum, report) => sum + report.destroyed, 0)).to.equal(replaced);
    const left = await world.plain('oubli.subject_key').where('born', '<', 2).orWhereNotNull('successor');
    expect(left).to.deep.equal([]);
    const found = await world
      .db('patients')
      .whereIn('id', [...written.keys()])
      .select('id', 'bio');
    for (const { id, bio } of found) expect(bio).to.equal(written.get(id));
    const waiting = Array.from({ length: PEOPLE }, (_, id) => id + 1).filter((id) => !written.has(id));
    const others = await world.db('patients').whereIn('id', waiting).select('id', 'bio');
    for (const { id, bio } of others) expect(bio).to.equal(`likes word${id - 1} and tea`);
    expect((await world.verifyLedger()).broken).to.deep.equal([]);
  });

  it('are each under the key of whose they are, and are found as before', async () => {
    await everythingIsFound();
    const { rows } = await world.plain.raw(
      'select sender_id, recipient_id, body::bytea as body, answer::bytea as answer from letters where id in (1, 2, 3)',
    );
    for (const { sender_id, recipient_id, body, answer } of rows) {
      expect(Buffer.from(keyIdOf(body)).toString('hex')).to.equal(await keyOf(sender_id));
      expect(Buffer.from(keyIdOf(answer)).toString('hex')).to.equal(await keyOf(recipient_id));
    }
    const twice = await world
      .db('patients')
      .insert({ name: 'zoe 7', born: '1990-01-02' })
      .then(
        () => '',
        (error) => error.code,
      );
    expect(twice).to.equal('23505');
  });

  it('stay under the key of whoever has none that was replaced, also beside one whose was', async () => {
    const newest = (await world.epochs.list())[0]?.epoch ?? 0;
    await world.epochs.rotate({ keep: 'none' });
    const [{ id }] = await world.db('patients').insert({ name: 'late', born: '2001-01-01' }).returning('id');
    await world
      .db('letters')
      .insert({ id: 1000, day: '2026-06-06', sender_id: id, recipient_id: 1, body: 'b', answer: 'a' });
    const before = await keyOf(id);
    expect((await world.epochs.compromised(newest, { because: BECAUSE })).finished).to.equal(true);
    expect(await keyOf(id)).to.equal(before);
    expect(await world.db('letters').where({ id: 1000 }).first('body', 'answer')).to.deep.equal({
      body: 'b',
      answer: 'a',
    });
    expect(await world.db('patients').where({ name: 'Zoe 9', born: '1990-01-02' }).pluck('id')).to.deep.equal([10]);
    expect(await world.db('patients').where('bio', '@@', 'tea word9').pluck('id')).to.deep.equal([10]);
  });

  it('are found by the ids of their keys; what is left is one join, whatever the planner was told', async () => {
    const tables = await world.db.transaction((trx) =>
      storedTables({ query: async (sql) => ({ rows: (await trx.raw(sql)).rows }) }),
    );
    const patients = tables.find(({ name }) => name === 'patients') as StoredTable;
    expect(tables.map(({ name }) => name)).to.include.members(['letters_old', 'letters_new']);
    const plans = async (statement: string): Promise<string> => {
      const { rows } = await world.plain.raw(`explain ${statement.replace('$1', `'(0,0)'`).replace('$2', `'(16,0)'`)}`);
      return rows.map((row: object) => Object.values(row)[0]).join('\n');
    };
    const chunk = await plans(affectedRows(patients));
    expect(chunk).to.contain('Tid Range Scan on patients').and.to.contain('subject_key_pkey');
    expect(chunk).not.to.contain('Seq Scan on subject_key');
    await world.plain('oubli.subject_key').update({ successor: Buffer.alloc(16) });
    await world.plain.raw('analyze oubli.subject_key; analyze patients');
    expect(await plans(usedIn(patients))).to.match(/Hash Join|Merge Join|subject_key_pkey/);
    await world.plain('oubli.subject_key').update({ successor: null });
  });
});
