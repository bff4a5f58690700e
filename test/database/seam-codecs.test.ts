import { expect } from 'chai';
import type { Knex } from 'knex';
import knexPackage from 'knex';
import { types as pgTypes } from 'pg';
import { install, SCHEMA_VERSION } from '../../src';
import { createWorld, type World } from '../support/world';

/** By type: values to write, each to come back from the sealed column exactly as from its unprotected twin. */
const TYPES: Record<string, unknown[]> = {
  text: ['', 'Ada', 'é\u0301 \u{1f600} \n\t"\'\\', 'x'.repeat(5000), '\\xa70b', 'null'],
  'character varying(40)': ['Ada', ' spaces '],
  bytea: [Buffer.from([0, 1, 255]), Buffer.alloc(0), Buffer.from('plain text')],
  jsonb: [
    { a: [1, 'x', null, { b: true }] },
    JSON.stringify([1, 2]),
    JSON.stringify('text'),
    JSON.stringify(null),
    JSON.stringify(5),
  ],
  json: [{ a: 1 }, JSON.stringify(['x'])],
  integer: [0, -1, 2147483647, '42'],
  smallint: [-32768, 7],
  bigint: ['9223372036854775807', '-9223372036854775808', 5, 12n],
  numeric: ['0.10', '-12345678901234567890.123456789', 1.5, '1e3', 'NaN'],
  date: ['2024-02-29', '0099-12-31', new Date(2024, 0, 31)],
  timestamp: ['2024-05-01 10:00:00.123456', '1900-01-01 00:00:00', new Date(2024, 4, 1, 10, 0, 0, 5)],
  timestamptz: ['2024-05-01T10:00:00.123Z', '2024-05-01 10:00:00+05:30', new Date(0)],
  boolean: [true, false],
};
const NAMES = Object.keys(TYPES).map((type, i) => ({ type, name: `c${i}` }));

async function migrateTwins(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('sealed', (t) => {
    t.increments('id');
    t.date('ended_on').notPersonal('the event that starts the clock');
    const retention = { from: 'ended_on', keep: '6 months', then: 'erase' } as const;
    t.dataSubject('user', { purpose: 'tests', basis: 'contract', retention });
    for (const { type, name } of NAMES) {
      t.specificType(name, type).personal({ category: 'identity.name', protect: 'encrypt' });
    }
  });
  await knex.schema.createTable('plain', (t) => {
    t.increments('id');
    for (const { type, name } of NAMES) t.specificType(name, type);
  });
}

describe('A sealed column of each type', () => {
  let world: World;
  let twins: Knex;
  before(async () => {
    world = await createWorld({ migrate: migrateTwins });
    twins = world.plain;
  });
  after(() => world.end());

  for (const { type, name } of NAMES) {
    it(`${type} comes back exactly as plain Knex gives it from an unprotected twin`, async () => {
      for (const value of TYPES[type] ?? []) {
        const [theirs] = await twins('plain')
          .insert({ [name]: value })
          .returning(name);
        const [ours] = await world
          .db('sealed')
          .insert({ [name]: value })
          .returning(name);
        expect(ours[name], String(value).slice(0, 40)).to.deep.equal(theirs[name]);
        expect(ours[name]?.constructor).to.equal(theirs[name]?.constructor);
      }
      const read = await world.db('sealed').whereNotNull(name).orderBy('id').pluck(name);
      expect(read).to.deep.equal(await twins('plain').whereNotNull(name).orderBy('id').pluck(name));
      const streamed: unknown[] = [];
      for await (const row of world.db('sealed').whereNotNull(name).orderBy('id').stream()) streamed.push(row[name]);
      expect(streamed).to.deep.equal(read);
      const stored = await world.plain('sealed').whereNotNull(name).pluck(name);
      for (const bytes of stored) expect(bytes.subarray(0, 3).toString('hex')).to.equal('a70b01');
    });
  }

  it('trap 20: type parsers that the application set are applied as to the twin, bytea as text among them', async () => {
    const own: Record<number, (text: string) => unknown> = {
      17: (text) => text,
      20: BigInt,
      1043: (text) => text.toUpperCase(),
      1082: (text) => `day ${text}`,
      1700: Number,
      3802: (text) => text,
    };
    const types = { getTypeParser: (oid: number, format: 'text') => own[oid] ?? pgTypes.getTypeParser(oid, format) };
    const connection = { connectionString: world.url, types } as never;
    const plain = knexPackage({ client: 'pg', connection, pool: { min: 0, max: 1 } });
    const other = await world.another({ config: { connection } });
    const columns = NAMES.filter(({ type }) => !['json', 'timestamptz'].includes(type)).map(({ name }) => name);
    try {
      const order = { column: 'id', order: 'asc' } as const;
      for (const name of columns) {
        const theirs = await plain('plain').whereNotNull(name).orderBy([order]).pluck(name);
        const ours = await other.db('sealed').whereNotNull(name).orderBy([order]).pluck(name);
        if (TYPES.jsonb && name === NAMES.find(({ type }) => type === 'jsonb')?.name) {
          expect(ours.map((text) => JSON.parse(text))).to.deep.equal(theirs.map((text) => JSON.parse(text)));
        } else expect(ours).to.deep.equal(theirs);
      }
    } finally {
      await plain.destroy();
    }
  });
});
