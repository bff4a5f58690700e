/**
 * Erasure over schemas that nobody thought of (ERASURE.md G1-G3, A1): of each one person is erased, and what became of whom is read
 * from the stored rows alone. More of them with `OUBLI_LONG_TESTS=1`.
 */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { install, OubliError, SCHEMA_VERSION } from '../../src';
import { RandomGraph } from '../support/random-graph';
import { createWorld, type World } from '../support/world';

const SEEDS = process.env.OUBLI_LONG_TESTS === '1' ? 200 : 14;
const PEOPLE = 4;
const HER = 2;

async function migrateNothing(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
}

/** How many values are hers, also in rows of several people. */
function saidBy(graph: RandomGraph, person: number, tables: Map<string, string[]>): number {
  return [...tables.values()].flat().join().split(graph.mark(person)).length - 1;
}

describe('A person in a schema made by a die', function () {
  this.timeout(SEEDS * 4000);
  let world: World;
  const graphs = Array.from({ length: SEEDS }, (_, seed) => new RandomGraph(seed + 1, PEOPLE));
  let erased = 0;
  before(async () => {
    world = await createWorld({ migrate: migrateNothing });
    await world.plain.transaction(async (trx) => {
      // nothing is sealed here, and to place guards anew after each of a hundred tables takes minutes
      await trx.raw(`create or replace function oubli.refresh_guard(target regclass) returns void language sql as ''`);
      for (const graph of graphs) await graph.create(trx);
    });
    await world.close();
    Object.assign(world, await world.another());
    for (const graph of graphs) await world.db.transaction((trx) => graph.fill(trx));
  });
  after(() => world.end());

  /** Each row as text, by table. */
  const stored = async (graph: RandomGraph): Promise<Map<string, string[]>> => {
    const tables = new Map<string, string[]>();
    for (const name of graph.names) {
      const { rows } = await world.plain.raw(`select t::text as row from ${name} t order by 1`);
      tables.set(
        name,
        rows.map(({ row }: { row: string }) => row),
      );
    }
    return tables;
  };
  const ledger = async (): Promise<number> =>
    Number((await world.plain('oubli.ledger').where({ act: 'erased' }).count('* as n'))[0]?.n);

  for (const graph of graphs) {
    it(`G1: leaves with all that is hers, and nothing of anybody else's, or not at all (seed ${graph.seed})`, async () => {
      const [before, entries] = [await stored(graph), await ledger()];
      const mark = graph.mark(HER);
      expect([...before.values()].flat().filter((row) => row.includes(mark))).not.to.have.length(0);
      const error = await world
        .subject(graph.kind, graph.idOf(HER))
        .erase({ because: 'a test', probe: 'off' })
        .then(
          () => undefined,
          (refusal: unknown) => refusal,
        );
      const after = await stored(graph);
      if (error !== undefined) {
        if (!(error instanceof OubliError)) throw error;
        expect(error.fix).not.to.equal('');
        expect([...after], 'refused, and nothing touched').to.deep.equal([...before]);
        expect(await ledger()).to.equal(entries);
        return;
      }
      erased += 1;
      expect(await ledger(), 'the entry').to.equal(entries + 1);
      expect(
        [...after.values()].flat().filter((row) => row.includes(mark)),
        'what is left of her',
      ).to.deep.equal([]);
      for (let person = 1; person <= PEOPLE; person++) {
        if (person !== HER)
          expect(saidBy(graph, person, after), `values of ${person}`).to.equal(saidBy(graph, person, before));
      }
      for (const [name, rows] of before) {
        const others = rows.filter((row) => !row.includes(mark));
        expect(after.get(name), `others' rows of ${name}`).to.include.members(others);
      }
    });
  }

  it('A1: and mostly does leave, or this proves nothing', () => {
    expect(erased).to.be.at.least(SEEDS * 0.6);
  });
});
