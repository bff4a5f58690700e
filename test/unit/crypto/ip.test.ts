import { expect } from 'chai';
import fc from 'fast-check';
import { DEFAULT_BITS, truncateIp } from '../../../src/crypto/ip';
import { InvalidValueError } from '../../../src/errors';
import { NAMES, refusal } from './world';

const cut = (input: string, bits = DEFAULT_BITS): string => truncateIp(input, bits, NAMES);
const expectAll = (cases: readonly (readonly [string, string])[]): void => {
  for (const [given, kept] of cases) expect(cut(given), given).to.equal(kept);
};

describe('P4 an IP address is held only truncated', () => {
  it('keeps /24 of IPv4', () => {
    expectAll([
      ['203.0.113.77', '203.0.113.0'],
      ['0.0.0.0', '0.0.0.0'],
      ['255.255.255.255', '255.255.255.0'],
      ['127.0.0.1', '127.0.0.0'],
      [' 203.0.113.77\n', '203.0.113.0'],
    ]);
  });

  it('keeps /48 of IPv6, written as PostgreSQL’s host() writes it', () => {
    expectAll([
      ['2001:db8:1:2:3:4:5:6', '2001:db8:1::'],
      ['2001:DB8:A:B::1', '2001:db8:a::'],
      ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::'],
      ['2001:0:1::1', '2001:0:1::'],
      ['fe80::1', 'fe80::'],
      ['::1', '::'],
      ['::', '::'],
      ['::abcd', '::'],
      ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'ffff:ffff:ffff::'],
      ['2001:db8::192.0.2.33', '2001:db8::'],
    ]);
  });

  it('drops ports, zones, brackets and masks', () => {
    expectAll([
      ['203.0.113.77:443', '203.0.113.0'],
      ['203.0.113.77:0', '203.0.113.0'],
      ['[2001:db8:1:2::3]:443', '2001:db8:1::'],
      ['[2001:db8:1:2::3]', '2001:db8:1::'],
      ['fe80::1%eth0', 'fe80::'],
      ['[fe80::1%25eth0]:8080', 'fe80::'],
      ['[::ffff:203.0.113.77]:443', '203.0.113.0'],
      ['203.0.113.77/32', '203.0.113.0'],
      ['203.0.113.0/24', '203.0.113.0'],
      ['203.0.113.128/25', '203.0.113.0'],
      ['2001:db8:1:2::3/128', '2001:db8:1::'],
      ['2001:db8:1:2::/64', '2001:db8:1::'],
      ['2001:db8:1::/48', '2001:db8:1::'],
      ['fe80::1%eth0/64', 'fe80::'],
      ['::ffff:203.0.113.77/128', '203.0.113.0'],
    ]);
  });

  it('unwraps IPv4 first, for /48 of a 6to4 address is the whole IPv4 address', () => {
    expectAll([
      ['::ffff:203.0.113.77', '203.0.113.0'],
      ['::FFFF:cb00:714d', '203.0.113.0'],
      ['0:0:0:0:0:ffff:203.0.113.77', '203.0.113.0'],
      ['::203.0.113.77', '203.0.113.0'],
      ['::cb00:714d', '203.0.113.0'],
      ['2002:cb00:714d::1', '203.0.113.0'],
      ['2002:cb00:714d:1:2:3:4:5', '203.0.113.0'],
      ['64:ff9b::203.0.113.77', '203.0.113.0'],
      ['64:ff9b::cb00:714d', '203.0.113.0'],
      ['64:ff9b:1::203.0.113.77', '203.0.113.0'],
      ['64:ff9b:1:fffe::cb00:714d', '203.0.113.0'],
    ]);
  });

  it('leaves what only looks like a wrapping', () => {
    expectAll([
      ['64:ff9b:2::203.0.113.77', '64:ff9b:2::'],
      ['64:ff9b:0:1::203.0.113.77', '64:ff9b::'],
      ['2003:cb00:714d::1', '2003:cb00:714d::'],
      ['1::ffff:203.0.113.77', '1::'],
      ['::ffff:0:203.0.113.77', '::'],
    ]);
  });

  it('keeps as many bits as the declaration says', () => {
    expect(cut('203.0.113.77', { v4: 16, v6: 32 })).to.equal('203.0.0.0');
    expect(cut('203.0.113.77', { v4: 32, v6: 32 })).to.equal('203.0.113.77');
    expect(cut('203.0.113.77', { v4: 27, v6: 32 })).to.equal('203.0.113.64');
    expect(cut('203.0.113.77', { v4: 0, v6: 0 })).to.equal('0.0.0.0');
    expect(cut('2001:db8:1:2::3', { v4: 24, v6: 32 })).to.equal('2001:db8::');
    expect(cut('2001:db8:1:ffff::3', { v4: 24, v6: 52 })).to.equal('2001:db8:1:f000::');
    expect(cut('1:0:2:0:0:3:0:0', { v4: 24, v6: 128 })).to.equal('1:0:2::3:0:0');
    expect(cut('1:0:2:3:4:5:6:7', { v4: 24, v6: 128 })).to.equal('1:0:2:3:4:5:6:7');
    expect(cut('2002:cb00:714d::1', { v4: 16, v6: 128 })).to.equal('203.0.0.0');
    expect(refusal(() => cut('203.0.113.0/20')).code).to.equal('VALUE_NOT_IP');
    expect(cut('203.0.113.0/20', { v4: 16, v6: 32 })).to.equal('203.0.0.0');
  });

  it('gives the same again when asked again', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
        expect(cut(cut(address))).to.equal(cut(address));
      }),
    );
  });

  it('keeps nothing of the last bits: all addresses of a network become one', () => {
    fc.assert(
      fc.property(fc.nat(255), fc.nat(255), (a, b) => {
        expect(cut(`198.51.100.${a}`)).to.equal(cut(`198.51.100.${b}`));
        expect(cut(`2001:db8:7:${a.toString(16)}::1`)).to.equal(cut(`2001:db8:7::${b.toString(16)}`));
      }),
    );
  });

  it('refuses what is no address, or which programs read differently, without repeating it', () => {
    const wrong = [
      '',
      ' ',
      'localhost',
      '203.0.113',
      '127.1',
      '2130706433',
      '0x7f.0.0.1',
      '010.0.0.1',
      '203.0.113.077',
      '203.0.113.256',
      '1.2.3.4.5',
      '203.0.113.77.',
      '203.0.113.-1',
      '１.2.3.4',
      '203.0.113.77, 10.0.0.1',
      '203.0.113.77:',
      '203.0.113.77:65536',
      '203.0.113.77:443/32',
      '203.0.113.77/33',
      '203.0.113.77/024',
      '10.0.0.0/8',
      '203.0.113.77/',
      '203.0.113.77%eth0',
      '[203.0.113.77]',
      '[203.0.113.77]:443',
      ':::',
      '1::2::3',
      '2001:db8:1',
      '12345::',
      'g::1',
      '2001:db8::1/129',
      '2001:db8::/32',
      '[2001:db8::1',
      '2001:db8::1]',
      '[2001:db8::1]:65536',
      '[2001:db8::1]:x',
      '[2001:db8::1]/64',
      '::ffff:203.0.113',
      '::ffff:203.0.113.077',
      '::ffff:203.0.113.77/96',
      'fe80::1%',
      '1:2:3:4:5:6:7:8:9',
      '2002:cb00:714d::/48',
      '::ffff:1.2.3.4.5',
    ];
    for (const input of wrong) {
      const error = refusal(() => cut(input));
      expect(error, input).to.be.instanceOf(InvalidValueError);
      expect(error.code).to.equal('VALUE_NOT_IP');
      if (input.length > 2) expect(error.message).to.not.include(input);
    }
    for (const input of [undefined, null, 1, {}]) {
      expect(() => truncateIp(input as unknown as string, DEFAULT_BITS, NAMES)).to.throw(InvalidValueError);
    }
  });
});
