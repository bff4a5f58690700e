import { expect } from 'chai';
import { Burden, MOST_BYTES, MOST_ROWS } from '../../src/lifecycle/burden';

describe('What a chunk may hold', () => {
  it('A3: is bounded by rows: of people with a thousand each there are fifty', () => {
    const burden = new Burden({ rows: 1_000_000, bytes: 1_000_000, roots: 1_000, uncounted: false });
    expect(burden.most).to.equal(MOST_ROWS / 1000);
  });

  it('A3: and by bytes, where rows are large', () => {
    const burden = new Burden({ rows: 10_000, bytes: 10_000 * 2 ** 20, roots: 1_000, uncounted: false });
    expect(burden.most).to.equal(Math.floor(MOST_BYTES / (10 * 2 ** 20)));
  });

  it('is one person at least, whatever there is of her', () => {
    expect(new Burden({ rows: 10_000_000, bytes: 0, roots: 1, uncounted: false }).most).to.equal(1);
  });

  it('is one person of tables that nobody counted, and grows as the chunks show what people bring along', () => {
    const burden = new Burden({ rows: 100_000, bytes: 10_000_000, roots: 0, uncounted: true });
    expect(burden.most).to.equal(1);
    const sizes = Array.from({ length: 8 }, () => {
      burden.learn([{ details: { tables: [{ rows: 2 }, { rows: 8 }] } }], 1);
      return burden.most;
    });
    expect(sizes).to.deep.equal([1, 3, 7, 15, 31, 63, 124, 243]);
  });

  it('is halfway between what was expected and what the last chunk had', () => {
    const burden = new Burden({ rows: 0, bytes: 0, roots: 0, uncounted: false });
    expect(burden.most).to.equal(MOST_ROWS);
    const tables = [{ rows: 2 }, { rows: 9_998 }];
    burden.learn([{ details: { tables } }, { details: { tables } }], 2);
    expect(burden.most).to.equal(Math.floor(MOST_ROWS / 5_000.5));
  });
});
