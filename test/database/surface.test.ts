/** Every verb of Knex over sealed columns, beside the same call of plain Knex; and the table of it, `test/surface.md`. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import knexPackage, { type Knex } from 'knex';
import knex30 from 'knex-3.0';
import knex31 from 'knex-3.1';
import { UnsupportedQueryError } from '../../src';
import { sentDuring } from '../support/listening';
import { failureOf } from '../support/refusals';
import { chapters, surfaceTable } from '../support/surface/table';
import type { Verb } from '../support/surface/verb';
import { createSurface, type Surface } from '../support/surface/worlds';

const TABLE = path.join(__dirname, '..', 'surface.md');
const VERSIONS = { '3.0.1': knex30, '3.1.0': knex31, newest: knexPackage } as unknown as Record<
  string,
  typeof knexPackage
>;

/** Of the builder's own use, or broken in Knex itself: `whereJsonHasNone` calls a method that there is not. */
const INNER = new Set([
  'constructor',
  'isValidStatementArg',
  'withWrapped',
  'withRecursiveWrapped',
  'whereJsonHasNone',
]);

const ROLLED_BACK = new Error('rolled back');

/** What a call answers; nothing it wrote stays. */
async function answerOf(db: Knex, { call, alone }: Verb): Promise<unknown> {
  if (alone) return call(db);
  let answer: unknown;
  const work = db.transaction(async (trx) => {
    answer = await call(trx);
    throw ROLLED_BACK;
  });
  const error = await failureOf(() => work);
  if (error !== ROLLED_BACK) throw error;
  return answer;
}

describe('The surface of Knex', () => {
  for (const [version, factory] of Object.entries(VERSIONS)) {
    describe(version, () => {
      let surface: Surface;
      before(async () => {
        surface = await createSurface(factory);
      });
      after(() => surface.end());

      for (const { title, verbs } of chapters) {
        for (const verb of verbs) {
          if (!isKnown(factory, verb)) continue;
          it(`${title}: ${verb.verb} ${verb.refused === undefined ? 'works' : `is refused with ${verb.refused}`}`, () =>
            verb.refused === undefined ? expectSame(surface, verb) : expectRefused(surface, verb));
        }
      }

      it('leaves no connection behind', () => {
        for (const knex of [surface.db, surface.plain]) expect(knex.client.pool.numUsed()).to.equal(0);
      });
    });
  }

  it('is told whole: every method of a builder is called', () => {
    const called = chapters
      .flatMap(({ verbs }) => verbs.flatMap(({ verb, call }) => [verb, call.toString()]))
      .join('\n');
    const isTold = (name: string): boolean => new RegExp(`\\b${name}\\b`).test(called);
    const untold = [...methodsOf(knexPackage).values()].filter((names) => !names.some(isTold));
    expect(untold).to.deep.equal([]);
  });

  it('is what test/surface.md says', () => {
    if (process.env.SURFACE === 'write') writeFileSync(TABLE, surfaceTable());
    expect(readFileSync(TABLE, 'utf8')).to.equal(surfaceTable());
  });
});

/** The public methods of a builder; several names where one is the other's alias. */
function methodsOf(factory: typeof knexPackage): Map<unknown, string[]> {
  const { prototype } = factory({ client: 'pg' }).queryBuilder().constructor as { prototype: Record<string, unknown> };
  const methods = new Map<unknown, string[]>();
  for (const name of Object.getOwnPropertyNames(prototype)) {
    if (name.startsWith('_') || INNER.has(name)) continue;
    methods.set(prototype[name], [...(methods.get(prototype[name]) ?? []), name]);
  }
  return methods;
}

/** Whether a version has every method that a verb calls. */
function isKnown(factory: typeof knexPackage, { call, verb }: Verb): boolean {
  const known = new Set([...methodsOf(factory).values()].flat());
  const missing = [...methodsOf(knexPackage).values()].flat().filter((name) => !known.has(name));
  return !missing.some((name) => new RegExp(`\\b${name}\\b`).test(`${verb} ${call}`));
}

async function expectSame({ db, plain }: Surface, verb: Verb): Promise<void> {
  const theirs = await answerOf(plain, verb);
  expect(theirs, 'plain Knex gives something to compare').not.to.equal(undefined);
  expect(await answerOf(db, verb)).to.deep.equal(theirs);
}

async function expectRefused({ db, plain }: Surface, verb: Verb): Promise<void> {
  await answerOf(plain, verb);
  let error: unknown;
  const sent = await sentDuring(db, async () => {
    error = await failureOf(() => answerOf(db, verb));
  });
  expect(error).to.be.instanceOf(UnsupportedQueryError);
  expect((error as UnsupportedQueryError).code).to.equal(verb.refused);
  expect(sent.filter((sql) => !/^(BEGIN|ROLLBACK)/.test(sql))).to.deep.equal([]);
}
