/**
 * The connection is cut at every request of a move to the archive, and of the way to one elsewhere on both of its ends, before it is
 * sent and after it was carried out, COMMIT included: every row is in its table, or in the archive with its entry, once and
 * nowhere else (ERASURE.md R1, A1).
 */
import { expect } from 'chai';
import type { Oubli } from '../../src';
import { addInvoiced, anotherDatabase, migrateArchive, migrateElsewhere, type OtherDatabase } from '../support/archive';
import { cutEverywhere } from '../support/faults';
import { type FaultyWire, startFaultyWire } from '../support/faulty-wire';
import { createWorld, type World } from '../support/world';

const log = { warn: () => undefined }; // Knex says each cut connection aloud

describe('A connection that is cut while rows are archived', function () {
  this.timeout(180_000);
  let world: World;
  let wire: FaultyWire;
  let cut: Oubli;
  let ada = 0;
  let added = 0;
  before(async () => {
    world = await createWorld({ migrate: migrateArchive });
    wire = await startFaultyWire(world.url);
    cut = await world.another({ config: { connection: wire.url, log } });
  });
  after(async () => {
    await world.end();
    await wire.close();
  });

  /** In its table or in the archive, under an entry and a key that are there: never in both, never in neither. */
  async function nothingIsBetween(): Promise<void> {
    const inPlace = await world.plain('invoices').where({ user_id: ada });
    const { rows } = await world.plain.raw(`
      select count(*)::int as n from oubli_archive.archived_row r
      join oubli.ledger l on l.entry = r.entry and l.act = 'erased'
      join oubli.archive_key a on a.key_id = r.key_id
      join oubli.subject_key k on k.key_id = r.key_id and k.keep_until is null`);
    const archived = await world.plain('oubli_archive.archived_row');
    expect(rows[0].n).to.equal(archived.length);
    expect([0, 2]).to.include(inPlace.length);
    expect(archived.length + inPlace.length).to.equal(added);
  }

  for (const when of ['unsent', 'unanswered'] as const) {
    it(`R1: ${when}, at any request of an erasure, leaves each row in one place, with its entry and its key`, async () => {
      const points = await cutEverywhere(wire, when, {
        prepare: async () => {
          ada = await addInvoiced(world.db, 'Adalgisa');
          added += 2;
        },
        work: async () => void (await cut.subject('user', ada).erase({ because: 'request' })),
        check: async () => {
          await nothingIsBetween();
          if ((await world.plain('users').where({ id: ada })).length > 0)
            await world.subject('user', ada).erase({ because: 'request' });
          await nothingIsBetween();
        },
      });
      expect(points).to.be.greaterThan(3);
    });
  }

  it('R1: is seen to leave a row between where a move is not one transaction', async () => {
    const found: unknown[] = [];
    await cutEverywhere(wire, 'unsent', {
      prepare: async () => {
        ada = await addInvoiced(world.db, 'Adalgisa');
        added += 2;
      },
      work: async () => {
        for (const table of ['invoices', 'users'])
          await cut
            .unprotected()(table)
            .where(table === 'users' ? 'id' : 'user_id', ada)
            .delete();
      },
      check: () => nothingIsBetween().catch((error: unknown) => void found.push(error)),
    });
    expect(found).not.to.deep.equal([]);
  });
});

describe('A connection that is cut on the way to an archive elsewhere', function () {
  this.timeout(180_000);
  let world: World;
  let other: OtherDatabase;
  let moved = 0;
  beforeEach(async () => {
    world = await createWorld({ migrate: migrateElsewhere });
    other = await anotherDatabase();
    moved = 0;
  });
  afterEach(async () => {
    await world.end();
    await other.end();
  });

  async function twoWait(): Promise<void> {
    const ada = await addInvoiced(world.db, 'Adalgisa');
    await world.subject('user', ada).erase({ because: 'request' });
    moved += 2;
  }

  /** Every row that was ever moved is there or in the outbox, and what the outbox no longer has is there, once. */
  async function nothingIsLost(): Promise<void> {
    const waiting: string[] = await world.plain('oubli.archive_outbox').pluck('id');
    const there: string[] = await other.plain('oubli_archive.archived_row').pluck('id');
    expect(new Set(there).size).to.equal(there.length);
    expect(new Set([...waiting, ...there]).size).to.equal(moved);
    const delivered = await world.plain('oubli.ledger').where({ act: 'delivered' });
    const said = delivered.reduce((sum, { details }) => sum + details.tables[0].rows, 0);
    expect(said).to.equal(moved - waiting.length);
  }

  for (const when of ['unsent', 'unanswered'] as const) {
    for (const end of ['here', 'there'] as const) {
      it(`R1: ${end}, ${when}, at any request, loses nothing and brings nothing twice`, async () => {
        const wire = await startFaultyWire(end === 'here' ? world.url : other.url);
        const carrier = await world.another({
          ...(end === 'here' ? { config: { connection: wire.url, log } } : {}),
          archive: { knex: end === 'here' ? other.mover : other.moverAt(wire.url) },
        });
        const points = await cutEverywhere(wire, when, {
          prepare: twoWait,
          work: async () => void (await carrier.sweep()),
          check: nothingIsLost,
        });
        expect(points).to.be.greaterThan(end === 'here' ? 5 : 2);
        expect(await world.plain('oubli.archive_outbox')).to.deep.equal([]);
        await wire.close();
      });
    }
  }
});
