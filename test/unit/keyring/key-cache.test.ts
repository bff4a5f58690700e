import { expect } from 'chai';
import { KeyCache } from '../../../src/keyring/key-cache';

const MINUTE = 60_000;

describe('K10 keys that leave the cache are overwritten', () => {
  let now: number;
  let cache: KeyCache;
  beforeEach(() => {
    now = 0;
    cache = new KeyCache(() => now, 4);
  });
  afterEach(() => cache.wipe());

  const key = (n: number): { keyId: Uint8Array; dek: Uint8Array } => ({
    keyId: Buffer.alloc(16, n),
    dek: Buffer.alloc(32, n),
  });
  const keyOf = (n: number): { keyId: Uint8Array; dek: Uint8Array } => {
    const made = key(n);
    cache.link('user', `${n}`, made, cache.moment);
    return made;
  };
  const isWiped = ({ dek }: { dek: Uint8Array }): boolean => dek.every((byte) => byte === 0);
  const later = (ms: number): void => {
    now += ms;
    cache.tidy();
  };

  it('a minute after they were evicted: until then a statement that has one may use it', () => {
    const evicted = keyOf(1);
    cache.evict(Buffer.from(evicted.keyId).toString('hex'));
    later(MINUTE - 1);
    expect(isWiped(evicted)).to.equal(false);
    later(1);
    expect(isWiped(evicted)).to.equal(true);
  });

  it('when there was no room for them, when all were forgotten at once, or when nobody asked for them any more', () => {
    const crowd = Array.from({ length: 9 }, (_, i) => keyOf(i + 1));
    cache.clear();
    const old = keyOf(20);
    later(MINUTE);
    expect(crowd.map(isWiped)).to.deep.equal(crowd.map(() => true));
    later(MINUTE);
    later(MINUTE);
    expect(cache.get(old.keyId)).to.equal(undefined);
    later(MINUTE);
    expect(isWiped(old)).to.equal(true);
  });

  it('when another copy took their place, and when they were never kept', () => {
    const [first, passed] = [keyOf(1), key(2)];
    const second = keyOf(1);
    cache.pass(passed);
    expect(cache.get(passed.keyId)).to.equal(undefined);
    later(MINUTE);
    expect([first, passed].map(isWiped)).to.deep.equal([true, true]);
    expect(isWiped(second)).to.equal(false);
  });

  it('when they were forgotten while they were asked for', () => {
    const { moment } = cache;
    cache.evict('00');
    const late = key(1);
    cache.link('user', '1', late, moment);
    expect(cache.ofSubject('user', '1')).to.equal(undefined);
    later(MINUTE);
    expect(isWiped(late)).to.equal(true);
  });

  it('but not while the same bytes are in use anew', () => {
    const again = keyOf(1);
    later(MINUTE);
    for (const wait of [1, 1]) {
      now += wait;
      cache.link('user', '1', again, cache.moment); // as whoever asks anew has it
      later(MINUTE - wait);
    }
    expect(cache.get(again.keyId)).to.equal(again);
    expect(isWiped(again)).to.equal(false);
  });

  it('all of them at the end, and those that arrive later at once', () => {
    const [evicted, kept, passed, late] = [keyOf(1), keyOf(2), key(3), key(4)];
    cache.evict(Buffer.from(evicted.keyId).toString('hex'));
    cache.pass(passed);
    cache.wipe();
    cache.link('user', '4', late, cache.moment);
    expect([evicted, kept, passed, late].map(isWiped)).to.deep.equal([true, true, true, true]);
    expect(cache.get(late.keyId)).to.equal(undefined);
  });
});
