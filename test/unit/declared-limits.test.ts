/** What a declared type limits, as Knex writes it in a migration and as PostgreSQL writes it of an existing column. */
import { expect } from 'chai';
import { limitsOf } from '../../src/catalogue/declared-limits';

const LIMITS: [spellings: string[], limits: object][] = [
  [['smallint', 'int2'], { bits: 16 }],
  [['integer', 'int', 'int4', 'INTEGER'], { bits: 32 }],
  [['bigint', 'int8', 'text', 'date', 'boolean', 'bytea', 'jsonb', 'varchar', 'numeric'], {}],
  [['timestamptz(3)', 'timestamp(3) with time zone', 'TIMESTAMPTZ (3)'], { fraction: 3, zoned: true }],
  [['timestamp(0)', 'timestamp(0) without time zone'], { fraction: 0, zoned: false }],
  [['timestamptz', 'timestamp with time zone', 'timestamp(6)', 'timestamp(9)'], {}],
  [['varchar(40)', 'character varying(40)'], { length: 40 }],
  [['char(8)', 'character(8)'], { length: 8, padded: true }],
  [['numeric(8,2)', 'decimal(8, 2)'], { precision: 8, scale: 2 }],
  [['numeric(5,-2)'], { precision: 5, scale: -2 }],
];

describe('What a declared type limits', () => {
  for (const [spellings, limits] of LIMITS) {
    it(`${spellings.join(', ')}: ${JSON.stringify(limits)}`, () => {
      for (const spelling of spellings) expect(limitsOf(spelling), spelling).to.deep.equal(limits);
    });
  }
});
