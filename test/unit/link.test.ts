import { expect } from 'chai';
import { genesis, linkOf } from '../../src/registers/link';

describe('A link of the ledger', () => {
  it('L1: hangs on 32 bytes, and on nothing that an application made of them', () => {
    const first = linkOf(genesis(Buffer.alloc(16)), '[]');
    expect(first).to.have.length(32);
    for (const other of [first.toString('hex'), first.subarray(1)])
      expect(() => linkOf(other as Uint8Array, '[]')).to.throw(RangeError);
  });
});
