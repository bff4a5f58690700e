/** Addresses held only truncated (POLICY.md P4): what the column's type takes is what `truncateIp` gives, and nothing longer. */
import { expect } from 'chai';
import fc from 'fast-check';
import { install, SCHEMA_VERSION } from '../../src';
import { truncateIp } from '../../src/crypto/ip';
import { copyIn } from '../support/copy-in';
import { createEmpty, type EmptyDatabase } from '../support/empty';
import { type DatabaseFailure, failureOf } from '../support/refusals';

const REFUSED = '23514'; // check_violation
const BITS = [
  { v4: 24, v6: 48 },
  { v4: 16, v6: 32 },
] as const;

describe('A column that is declared truncate-ip', () => {
  let empty: EmptyDatabase;
  before(async () => {
    empty = await createEmpty();
    await install(empty.knex, { version: SCHEMA_VERSION });
    const ip = { category: 'connection.ip', protect: 'truncate-ip', origin: 'observed' } as const;
    await empty.knex.schema.createTable('visits', (t) => {
      t.increments('id');
      t.specificType('inet', 'inet').personal(ip);
      t.text('text').personal(ip);
      t.specificType('strict_inet', 'inet').personal({ ...ip, v4: 16, v6: 32 });
      t.text('strict_text').personal({ ...ip, v4: 16, v6: 32 });
    });
  });
  after(() => empty.end());

  const accepts = (column: string, value: string): Promise<boolean> =>
    empty.psql.query(`select $1::oubli."visits.${column}"`, [value]).then(
      () => true,
      (error: DatabaseFailure) => {
        if (error.code === REFUSED) return false;
        throw error;
      },
    );

  for (const column of ['inet', 'text']) {
    describe(`and of type ${column}`, () => {
      for (const address of [
        '203.0.113.0',
        '0.0.0.0',
        '255.255.255.0',
        '2001:db8:1234::',
        '::',
        'fe80::',
        'ffff:ffff:ffff::',
      ]) {
        it(`takes ${address}`, async () => {
          expect(await accepts(column, address)).to.equal(true);
          await empty.psql.query(`insert into visits (${column}) values ($1)`, [address]);
          await copyIn(empty.psql, `copy visits (${column}) from stdin`, `${address}\n`);
        });
      }

      for (const [kind, address] of [
        ['a full address', '203.0.113.77'],
        ['a full IPv6 address', '2001:db8:1234:5678:9abc:def0:1234:5678'],
        ['one bit too many', '2001:db8:1234:8000::'],
        ['a v4-mapped address, even a truncated one', '::ffff:203.0.113.0'],
        ['a v4-compatible address', '::203.0.113.77'],
        ['a 6to4 address, whose first 48 bits are an IPv4 address', '2002:cb00:714d::'],
        ['a NAT64 address', '64:ff9b::203.0.113.0'],
        ['loopback', '::1'],
        ['a network, which says more than was kept', '203.0.113.0/24'],
        ['a network, however wide', '2001::/16'],
      ] as const) {
        it(`refuses ${kind}, from psql and from COPY, without printing it`, async () => {
          expect(await accepts(column, address)).to.equal(false);
          const inserted = await failureOf(() =>
            empty.psql.query(`insert into visits (${column}) values ($1)`, [address]),
          );
          const copied = await failureOf(() =>
            copyIn(empty.psql, `copy visits (${column}) from stdin`, `${address}\n`),
          );
          for (const error of [inserted, copied]) {
            expect(error.code).to.equal(REFUSED);
            expect(`${error.message} ${error.detail} ${error.hint}`).not.to.contain(address);
          }
        });
      }
    });
  }

  it('and of type text refuses what is no address, and prints it neither: a cast would', async () => {
    for (const value of [
      'Ada Lovelace',
      '203.0.113',
      ':::',
      '',
      '203.0.113.0 ',
      '203.0.113.000',
      '2001:DB8::',
      '203.0.113.0/32',
    ]) {
      const error = await failureOf(() => empty.psql.query('insert into visits (text) values ($1)', [value]));
      expect(error.code, value).to.equal(REFUSED);
      if (value !== '') expect(`${error.message} ${error.detail} ${error.where}`).not.to.contain(value);
    }
  });

  describe('agrees with truncateIp', function () {
    this.timeout(60_000);
    const octets = fc.uint8Array({ minLength: 4, maxLength: 4 });
    const groups = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
      minLength: 8,
      maxLength: 8,
    });
    const v4 = octets.map((bytes) => bytes.join('.'));
    const v6 = groups.map((numbers) => numbers.map((number) => number.toString(16)).join(':'));
    const hex = (bytes: Uint8Array): string =>
      Buffer.from(bytes)
        .toString('hex')
        .replace(/^(....)(....)$/, '$1:$2');
    const wrapped = fc
      .tuple(octets, fc.constantFrom('::ffff:%', '::%', '64:ff9b::%', '64:ff9b:1::%', '2002:#::', '2002:#:1::9'))
      .map(([bytes, form]) => form.replace('%', bytes.join('.')).replace('#', hex(bytes)));
    const address = fc.oneof(v4, v6, wrapped);

    /** One statement for many addresses: the verdicts of both types. */
    async function verdicts(
      addresses: readonly string[],
      strict: boolean,
    ): Promise<{ inet: boolean; text: boolean }[]> {
      const [v4Bits, v6Bits] = strict ? [16, 32] : [24, 48];
      const rows = await empty.rows(
        `select oubli.is_truncated(a::inet, $2, $3) as inet, oubli.is_truncated_text(a, $2, $3) as text
         from unnest($1::text[]) with ordinality u(a, n) order by n`,
        [addresses, v4Bits, v6Bits],
      );
      return rows as { inet: boolean; text: boolean }[];
    }

    for (const bits of BITS) {
      const strict = bits.v4 === 16;
      it(`for /${bits.v4} and /${bits.v6}: what it gives is taken by both types, as PostgreSQL writes it`, async () => {
        await fc.assert(
          fc.asyncProperty(fc.array(address, { minLength: 1, maxLength: 200 }), async (addresses) => {
            const truncated = addresses.map((each) => truncateIp(each, bits, {}));
            for (const verdict of await verdicts(truncated, strict))
              expect(verdict).to.deep.equal({ inet: true, text: true });
            const hosts = await empty.rows(
              'select host(a::inet) from unnest($1::text[]) with ordinality u(a, n) order by n',
              [truncated],
            );
            expect(hosts.map((row) => row.host)).to.deep.equal(truncated);
          }),
          { numRuns: 50 },
        );
      });

      it(`for /${bits.v4} and /${bits.v6}: whatever it would shorten is refused by both types`, async () => {
        await fc.assert(
          fc.asyncProperty(fc.array(address, { minLength: 1, maxLength: 200 }), async (addresses) => {
            const given = await empty.rows(
              'select host(a::inet) from unnest($1::text[]) with ordinality u(a, n) order by n',
              [addresses],
            );
            const canonical = given.map((row) => String(row.host));
            const found = await verdicts(canonical, strict);
            canonical.forEach((each, i) => {
              const expected = truncateIp(each, bits, {}) === each || isBareNat64Prefix(each);
              expect(found[i], each).to.deep.equal({ inet: expected, text: expected });
            });
          }),
          { numRuns: 50 },
        );
      });
    }

    /** Holds no address: truncateIp reads 0.0.0.0 in it, and to the type it is as good as any other prefix. */
    function isBareNat64Prefix(text: string): boolean {
      return text === '64:ff9b::' || text === '64:ff9b:1::';
    }
  });
});
