import { expect } from 'chai';
import { isTorn, type JournalLine, parseLine } from '../../src/registers/journal';
import { JournalCoverage } from '../../src/registers/journal-coverage';

const link = 'ab'.repeat(32);
const entry = (branch: number, position: number): JournalLine => ({
  is: 'entry',
  entry: { branch, position, entry: String(position), at: '1', act: 'erased', key: null, link },
  mac: '',
});
const checkpoint = (branch: number, position: number): JournalLine => ({
  is: 'checkpoint',
  checkpoint: { instance: '', branch, position, link, at: '1' },
  signature: '',
});
const fork = (branch: number, after: number, position: number): JournalLine => ({
  is: 'fork',
  fork: { instance: '', branch: branch + 1, after, lost: [{ branch, after, position }], at: '1' },
  signature: '',
});

function gapsIn(...lines: JournalLine[]): [branch: number, first: number, last: number][] {
  const coverage = new JournalCoverage();
  for (const line of lines) coverage.see(line);
  return coverage.gaps().map(({ branch, first, last }) => [branch, first, last]);
}

describe('The lines of a journal', () => {
  it('S1: have no gap, in any order and told twice', () => {
    expect(gapsIn()).to.deep.equal([]);
    expect(gapsIn(...[1, 2, 3, 2, 3, 4].map((position) => entry(0, position)))).to.deep.equal([]);
    expect(gapsIn(...[4, 1, 3, 2, 6, 5].map((position) => entry(0, position)), checkpoint(0, 6))).to.deep.equal([]);
    expect(gapsIn(entry(0, 1), entry(0, 2), entry(1, 2), entry(1, 3), fork(0, 1, 2)), 'branches overlap').to.deep.equal(
      [],
    );
  });

  it('S1: have one wherever a position is missing, at the start, between, or at an end that was signed', () => {
    expect(gapsIn(entry(0, 2))).to.deep.equal([[0, 1, 1]]);
    expect(gapsIn(...[1, 2, 5, 8].map((position) => entry(0, position)))).to.deep.equal([
      [0, 3, 4],
      [0, 6, 7],
    ]);
    expect(gapsIn(entry(0, 1), checkpoint(0, 3))).to.deep.equal([[0, 2, 3]]);
    expect(gapsIn(entry(0, 1), entry(1, 2), entry(1, 3), fork(0, 1, 2), entry(1, 5))).to.deep.equal([
      [0, 2, 2],
      [1, 4, 4],
    ]);
  });

  it('S1: have one where the first of a branch are missing, as the journal’s fork says, or the database of an interrupted replay', () => {
    const before = [1, 2, 3, 4].map((position) => entry(0, position));
    expect(gapsIn(...before, entry(1, 5), entry(1, 6), fork(0, 2, 4))).to.deep.equal([[1, 3, 4]]);
    expect(gapsIn(...before, fork(0, 2, 4)), 'all of them').to.deep.equal([[1, 3, 3]]);
    const coverage = new JournalCoverage();
    for (const line of [...before, entry(1, 4)]) coverage.see(line);
    expect(coverage.gaps(), 'nobody knows where it was forked').to.deep.equal([]);
    coverage.begins(1, 2);
    coverage.begins(2, 4); // of which nothing was told yet
    expect(coverage.gaps()).to.deep.equal([{ branch: 1, first: 3, last: 3 }]);
  });

  it('S1: are torn where they were cut off while they were written, and damaged otherwise', () => {
    const whole = JSON.stringify({
      branch: 0,
      position: 1,
      entry: '1',
      at: '1',
      act: 'erased',
      key: null,
      link,
      mac: 'cd',
    });
    expect(parseLine(whole)?.is).to.equal('entry');
    for (let end = 1; end < whole.length; end++) {
      expect(parseLine(whole.slice(0, end)), `cut at ${end}`).to.equal(undefined);
      expect(isTorn(whole.slice(0, end)), `cut at ${end}`).to.equal(true);
    }
    expect(isTorn(`${whole.slice(0, 40)}\0\0\0`), 'where the power went').to.equal(true);
    for (const damaged of [whole.replace('{', '\0'), whole.slice(5), whole.replace(':', ';'), 'x', ' '])
      expect(isTorn(damaged), damaged).to.equal(false);
  });
});
