import { finished } from 'node:stream/promises';
import { blake2b } from '@noble/hashes/blake2.js';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { tamper } from '../support/attacks';
import { addPeople } from '../support/people';
import { failureOf } from '../support/refusals';
import { startWorker } from '../support/sweep-process';
import { until } from '../support/waiting';
import { createWorld, type World } from '../support/world';

const PEOPLE = 8;

describe('L1: the ledger', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld();
    await addPeople(world.db, PEOPLE, '2020-01-01');
  });
  afterEach(() => world.end());

  const links = async (): Promise<Link[]> =>
    (
      await world.plain.raw(`select k.position::int, k.entry::int, k.link, k.mac, oubli.ledger_text(l) as text
        from oubli.ledger_link k left join oubli.ledger l on l.entry = k.entry order by k.position`)
    ).rows;
  const broken = async (): Promise<unknown[]> =>
    (await world.verifyLedger()).broken.map(({ what, position, entry }) => ({
      what,
      ...(position ? { position } : {}),
      ...(entry ? { entry: Number(entry) } : {}),
    }));

  interface Link {
    position: number;
    entry: number;
    link: Buffer;
    mac: Buffer;
    text: string;
  }

  it('L1: links each entry to the one before it, in the commit that wrote it', async () => {
    await world.sweep({ chunk: 3 });
    const chain = await links();
    expect(chain.map(({ position }) => position)).to.deep.equal(Array.from({ length: PEOPLE }, (_, i) => i + 1));
    const [{ id }] = (
      await world.plain.raw(`select decode(replace(id::text, '-', ''), 'hex') as id from oubli.instance`)
    ).rows;
    let previous = hash('oubli/ledger/genesis/v1', id);
    for (const { link, text } of chain) {
      previous = hash('oubli/ledger/link/v1', previous, Buffer.from(text));
      expect(link.toString('hex')).to.equal(previous.toString('hex'));
    }
    const [head] = await world.plain('oubli.ledger_head');
    expect(head).to.include({ position: String(PEOPLE) });
    expect(head.link.equals(previous)).to.equal(true);
    expect(await world.verifyLedger()).to.deep.include({
      entries: PEOPLE,
      broken: [],
      head: { position: PEOPLE, link: previous.toString('hex') },
    });
  });

  const hash = (label: string, ...parts: Uint8Array[]): Buffer =>
    Buffer.from(blake2b(Buffer.concat([Buffer.from(label), ...parts]), { dkLen: 32 }));

  it('L1: hashes the same text whatever the session is set to, to the microsecond', async () => {
    await world.sweep();
    const texts = async (knex: Knex.Transaction): Promise<string[]> =>
      (await knex.raw('select oubli.ledger_text(l) as text from oubli.ledger l order by entry')).rows.map(
        (row: { text: string }) => row.text,
      );
    const [usual, odd] = [await world.plain.transaction(), await world.plain.transaction()];
    await odd.raw(`set local timezone = 'Asia/Kathmandu'; set local datestyle = 'SQL, DMY'; set local bytea_output = 'escape';
      set local extra_float_digits = -15; set local intervalstyle = 'sql_standard'`);
    const [first, ...rest] = await texts(usual);
    expect(await texts(odd)).to.deep.equal([first, ...rest]);
    const [entry, micros, act, keyId, because, details] = JSON.parse(first!);
    const stored = await usual('oubli.ledger').where({ entry }).first();
    const exact = (
      await usual.raw('select (extract(epoch from at) * 1000000)::bigint as at from oubli.ledger where entry = ?', [
        entry,
      ])
    ).rows[0];
    expect([act, keyId, because, JSON.parse(details)]).to.deep.equal([
      'erased',
      stored.key_id.toString('hex'),
      stored.because,
      stored.details,
    ]);
    expect(String(micros)).to.equal(exact.at);
    await usual.rollback();
    await odd.rollback();
  });

  it('L1: is one chain, whoever writes: workers at once, exports, requests and raw connections', async () => {
    const others = [await world.another(), await world.another()];
    const [someone] = await addPeople(world.db, 1, '2099-01-01', 900);
    await Promise.all([
      world.sweep({ chunk: 1 }),
      ...others.map((other) => other.sweep({ chunk: 1 })),
      world
        .subject('user', someone!.id)
        .export({ profile: 'portability' })
        .then((zip) => finished(zip.resume())),
    ]);
    expect(await broken()).to.deep.equal([]);
    expect((await world.plain('oubli.ledger').count())[0]).to.deep.equal(
      (await world.plain('oubli.ledger_link').count())[0],
    );
  });

  it('L1: leaves no entry without its link when the process is killed', async () => {
    const worker = startWorker(world.url, world.keyFile, 1);
    await until('two people have left', async () => (await world.plain('oubli.ledger')).length > 1);
    await worker.kill();
    await world.sweep();
    expect(await broken()).to.deep.equal([]);
    expect((await world.verifyLedger()).entries).to.equal(PEOPLE);
  });

  it('L1: refuses to commit an entry that somebody wrote past the chain', async () => {
    const raw = `insert into oubli.ledger (act, because, details) values ('erased', 'believe me', '{}')`;
    expect((await failureOf(() => world.plain.raw(raw))).code).to.equal('OU032');
    const asReplica = world.plain.transaction(async (trx) => {
      await trx.raw('set local session_replication_role = replica');
      await trx.raw(raw);
    });
    expect((await failureOf(() => asReplica)).code).to.equal('OU032');
    expect(await world.plain('oubli.ledger')).to.deep.equal([]);
  });

  it('L1: refuses to rewrite links as it refuses to rewrite entries, and to lose its end', async () => {
    await world.sweep();
    for (const statement of [
      'update oubli.ledger_link set mac = link',
      'delete from oubli.ledger_link',
      'truncate oubli.ledger_link',
      'delete from oubli.ledger_head',
      'truncate oubli.ledger_head',
    ])
      expect((await failureOf(() => world.plain.raw(statement))).code, statement).to.equal('OU005');
  });

  describe('L1: in the hands of a superuser with the triggers off', () => {
    beforeEach(() => world.sweep());

    const attacks: [sentence: string, statements: string[], found: unknown[]][] = [
      [
        'an entry whose reason was edited',
        [`update oubli.ledger set because = 'x' where entry = 3`],
        [{ what: 'changed', position: 3, entry: 3 }],
      ],
      [
        'one whose details were',
        [`update oubli.ledger set details = details || '{"tables": []}' where entry = 3`],
        [{ what: 'changed', position: 3, entry: 3 }],
      ],
      [
        'one that was moved by a microsecond',
        [`update oubli.ledger set at = at + interval '1 microsecond' where entry = 4`],
        [{ what: 'changed', position: 4, entry: 4 }],
      ],
      [
        'one that names somebody else',
        [`update oubli.ledger set key_id = (select key_id from oubli.ledger where entry = 1) where entry = 2`],
        [{ what: 'changed', position: 2, entry: 2 }],
      ],
      [
        'one that was deleted',
        ['delete from oubli.ledger where entry = 5'],
        [{ what: 'deleted', position: 5, entry: 5 }],
      ],
      [
        'one that was deleted with its link',
        ['delete from oubli.ledger where entry = 5', 'delete from oubli.ledger_link where entry = 5'],
        [{ what: 'missing', position: 5 }],
      ],
      [
        'one that was deleted, the rest moved up',
        [
          'delete from oubli.ledger where entry = 5',
          'delete from oubli.ledger_link where entry = 5',
          'update oubli.ledger_link set position = -position where position > 5',
          'update oubli.ledger_link set position = -position - 1 where position < 0',
        ],
        [
          { what: 'changed', position: 5, entry: 6 },
          { what: 'truncated', position: 8 },
        ],
      ],
      [
        'two that changed places',
        [
          'update oubli.ledger_link set position = -position where position in (2, 3)',
          'update oubli.ledger_link set position = 5 + position where position < 0',
        ],
        [
          { what: 'changed', position: 2, entry: 3 },
          { what: 'changed', position: 3, entry: 2 },
          { what: 'changed', position: 4, entry: 4 },
        ],
      ],
      [
        'one that was put in past the chain',
        [`insert into oubli.ledger (act, because, details) values ('erased', 'x', '{}')`],
        [{ what: 'unlinked', entry: 9 }],
      ],
      [
        'the tail of the links',
        ['delete from oubli.ledger_link where position > 6'],
        [
          { what: 'truncated', position: 7 },
          { what: 'unlinked', entry: 7 },
          { what: 'unlinked', entry: 8 },
        ],
      ],
      [
        'the tail of both tables',
        ['delete from oubli.ledger_link where position > 6', 'delete from oubli.ledger where entry > 6'],
        [{ what: 'truncated', position: 7 }],
      ],
      ['the end itself', ['delete from oubli.ledger_head'], [{ what: 'truncated' }]],
    ];
    for (const [sentence, statements, found] of attacks)
      it(`L1: finds ${sentence}`, async () => {
        expect(await broken()).to.deep.equal([]);
        await tamper(world.plain, ...statements);
        expect(await broken()).to.deep.equal(found);
      });

    it('L1: finds from which entry on a chain was computed anew, which everybody can but the keyed part', async () => {
      await tamper(world.plain, `update oubli.ledger set because = 'x' where entry = 6`);
      const [, , , , before, ...rest] = await links();
      let previous: Buffer = before!.link;
      for (const { position, text } of rest) {
        previous = hash('oubli/ledger/link/v1', previous, Buffer.from(text));
        await tamper(
          world.plain,
          `update oubli.ledger_link set link = '\\x${previous.toString('hex')}' where position = ${position}`,
        );
      }
      await tamper(world.plain, `update oubli.ledger_head set link = '\\x${previous.toString('hex')}'`);
      expect(await broken()).to.deep.equal([6, 7, 8].map((entry) => ({ what: 'forged', position: entry, entry })));
    });

    it('L1: does not go on from an end that is gone', async () => {
      const [someone] = await addPeople(world.db, 1, '2099-01-01', 900);
      await tamper(world.plain, 'delete from oubli.ledger_head');
      const error = await failureOf(() => world.subject('user', someone!.id).erase({ because: 'request' }));
      expect(error).to.include({ name: 'TamperedError', code: 'LEDGER_HEAD_MISSING' });
      expect(
        await world
          .plain('oubli.subject_link')
          .where({ subject_id: String(someone!.id) })
          .first(),
      ).to.include({ erased_at: null });
    });
  });

  it('L1: takes along what was written before there was a chain', async () => {
    await tamper(
      world.plain,
      `insert into oubli.ledger (act, because, details) select 'erased', 'long ago ' || n, '{}' from generate_series(1, 3) n`,
    );
    expect((await world.verifyLedger()).broken).to.deep.equal([]);
    expect((await world.verifyLedger()).unchecked).to.have.length(2);
    await world.sweep();
    expect((await links()).map(({ entry }) => entry)).to.deep.equal(
      Array.from({ length: PEOPLE + 3 }, (_, i) => i + 1),
    );
    expect(await broken()).to.deep.equal([]);
  });
});
