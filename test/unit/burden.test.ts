import { expect } from 'chai';
import { Burden, MOST_BYTES, MOST_ROWS } from '../../src/lifecycle/burden';

describe('What a chunk may hold', () => {
  it('A3: is bounded by rows: of people with a thousand each there are fifty', () => {
    const burden = new Burden({ rows: 1_000_000, bytes: 1_000_000, roots: 1_000 });
    expect(burden.most).to.equal(MOST_ROWS / 1000);
  });

  it('A3: and by bytes, where rows are large', () => {
    const burden = new Burden({ rows: 10_000, bytes: 10_000 * 2 ** 20, roots: 1_000 });
    expect(burden.most).to.equal(Math.floor(MOST_BYTES / (10 * 2 ** 20)));
  });

  it('is one person at least, whatever there is of her', () => {
    expect(new Burden({ rows: 10_000_000, bytes: 0, roots: 1 }).most).to.equal(1);
  });

  it('is not known of tables that nobody looked at, until the first chunk has left', () => {
    const burden = new Burden({ rows: 0, bytes: 0, roots: 0 });
    expect(burden.most).to.equal(MOST_ROWS);
    const tables = [{ rows: 2 }, { rows: 9_998 }];
    burden.learn([{ details: { tables } }, { details: { tables } }], 2);
    expect(burden.most).to.equal(Math.floor(MOST_ROWS / 5_000.5));
  });
});
