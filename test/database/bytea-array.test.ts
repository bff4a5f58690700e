/** Whether PostgreSQL reads our binary arrays as it reads its own. */
import { expect } from 'chai';
import fc from 'fast-check';
import type { Knex } from 'knex';
import { byteaArray } from '../../src/bytea-array';
import { createWorld, type World } from '../support/world';

describe('An array of bytea in binary', () => {
  let world: World;
  let plain: Knex;
  before(async () => {
    world = await createWorld();
    plain = world.plain;
  });
  after(() => world.end());

  it('is the array that its text would be, whatever is in it', async () => {
    const values = fc.array(fc.option(fc.uint8Array({ maxLength: 300 })), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(values, async (given) => {
        const buffers = given.map((each) => each && Buffer.from(each));
        const { rows } = await plain.raw('select ?::bytea[] as sent, ?::bytea[] = ?::bytea[] as same', [
          byteaArray(given),
          byteaArray(given),
          buffers as never,
        ]);
        expect(rows[0]).to.deep.equal({ sent: buffers, same: true });
      }),
      { numRuns: 60 },
    );
  });
});
