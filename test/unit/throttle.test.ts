/** What a long conversion leaves to the application, and what it says of its own length: by a clock that the test winds. */
import { expect } from 'chai';
import { Estimate, lineOf, progressView } from '../../src/cli/progress';
import { ConfigurationError } from '../../src/errors';
import { Throttle } from '../../src/schema/throttle';
import { refusalOf } from '../support/refusals';

describe('A throttle', () => {
  let now: number;
  let rests: number[];
  const time = {
    now: () => now,
    sleep: async (milliseconds: number) => {
      rests.push(milliseconds);
    },
  };
  const work = async (): Promise<string> => {
    now += 30;
    return 'done';
  };
  beforeEach(() => {
    now = 1000;
    rests = [];
  });

  for (const [load, rest] of [
    [undefined, [30]],
    [0.25, [90]],
    [1, []],
  ] as const) {
    it(`of ${load ?? 'no said'} load rests ${rest[0] ?? 0} ms after 30 ms of work`, async () => {
      expect(await new Throttle(load, time).after(work)).to.equal('done');
      expect(rests).to.deep.equal(rest);
    });
  }

  it('refuses a load that is no share of the time', async () => {
    for (const load of [0, -1, 1.01, Number.NaN]) {
      const error = await refusalOf(() => new Throttle(load, time));
      expect(error).to.be.instanceOf(ConfigurationError).and.to.include({ code: 'BAD_LOAD' });
    }
  });
});

describe('The progress of a conversion', () => {
  it('is estimated by the pace of the pass so far', () => {
    let now = 0;
    const estimate = new Estimate(() => now);
    const at = (pass: number, done: number): number => estimate.secondsLeft({ pass, done, of: 100, rows: 0 });
    expect(at(1, 1)).to.equal(0);
    now = 10_000;
    expect(at(1, 20)).to.equal(40);
    now = 20_000;
    expect(at(2, 10)).to.equal(0);
    now = 22_000;
    expect(at(2, 50)).to.equal(2);
  });

  it('is a plain line for each tenth where nobody looks at a terminal', () => {
    const written: string[] = [];
    const output = { isTTY: false, write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream;
    const view = progressView('backfill', output);
    for (let done = 1; done <= 100; done++) view.show({ pass: 1, done, of: 100, rows: done * 60 });
    view.stop();
    expect(written).to.have.lengthOf(11);
    expect(written[5]).to.match(/^backfill: pass 1, 50% of 1 MB, 3000 rows, some \d+ s left\n$/);
    expect(lineOf('backfill', { pass: 2, done: 1, of: 3, rows: 7 }, 9)).to.equal(
      'backfill: pass 2, 33% of 1 MB, 7 rows, some 9 s left',
    );
  });

  it('is a bar on a terminal', () => {
    const written: string[] = [];
    const output = {
      isTTY: true,
      columns: 120,
      write: (text: string) => written.push(text),
      ...Object.fromEntries(['cursorTo', 'clearLine', 'moveCursor'].map((name) => [name, () => true])),
    } as unknown as NodeJS.WriteStream;
    const view = progressView('backfill', output);
    view.show({ pass: 1, done: 30, of: 60, rows: 1800 });
    view.stop();
    expect(written.join('')).to.match(/backfill .*█.*░.* 50% \| 1800 rows \| .* left \| pass 1/);
  });
});
