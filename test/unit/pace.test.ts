import { expect } from 'chai';
import { BreakerError, ConfigurationError } from '../../src';
import { allowedOf, limitOf, refuseTooMany } from '../../src/lifecycle/breaker';
import {
  nextSize,
  PEOPLE_SIZES,
  ROW_SIZES,
  reasonToWait,
  restAfter,
  type Strain,
  settledPace,
  targetOf,
} from '../../src/lifecycle/pace';

const CALM: Strain = { active: 0, lockWaits: 0, replicaLag: 0, oldTransaction: 0, unseen: 0 };
const pace = settledPace();

describe('A5: the pace of a sweep', () => {
  it('grows by a quarter while chunks are full and fast, and halves when one took twice its time', () => {
    expect(nextSize(500, 500, 40, 100, ROW_SIZES)).to.equal(625);
    expect(nextSize(500, 500, 150, 100, ROW_SIZES), 'between once and twice the target it stays').to.equal(500);
    expect(nextSize(500, 500, 201, 100, ROW_SIZES)).to.equal(250);
    expect(nextSize(500, 120, 10, 100, ROW_SIZES), 'a chunk that was not full says nothing').to.equal(500);
  });

  it('stays between what is worth a transaction and what others can bear', () => {
    expect(nextSize(4_500, 4_500, 10, 100, ROW_SIZES)).to.equal(5_000);
    expect(nextSize(60, 60, 900, 100, ROW_SIZES)).to.equal(50);
    expect(nextSize(1, 1, 9_000, 100, PEOPLE_SIZES), 'one person with very many rows').to.equal(1);
    expect(nextSize(1, 1, 10, 100, PEOPLE_SIZES), 'and grows again').to.equal(2);
  });

  it('settles near the size that takes the target, whatever a row costs', () => {
    for (const msPerRow of [0.05, 0.5, 2]) {
      let size = ROW_SIZES.start;
      for (let chunk = 0; chunk < 60; chunk++) size = nextSize(size, size, size * msPerRow, 100, ROW_SIZES);
      expect(size * msPerRow, `${msPerRow} ms a row`).to.be.within(80, 260);
    }
  });

  it('leaves time to others while they are at work, and takes whom it cannot see to be so', () => {
    expect(restAfter(80, [CALM, CALM], pace)).to.equal(0);
    expect(restAfter(80, [{ ...CALM, active: 3 }, CALM], pace), 'or were a moment ago').to.equal(160);
    expect(restAfter(80, [{ ...CALM, unseen: 1 }], pace)).to.equal(160);
    expect(restAfter(80, [{ ...CALM, active: 3 }], settledPace({ rest: 0 }))).to.equal(0);
  });

  it('goes in steps of a fifth while others are at work', () => {
    expect(targetOf([CALM], pace)).to.equal(100);
    expect(targetOf([{ ...CALM, active: 1 }, CALM], pace)).to.equal(20);
    expect(targetOf([{ ...CALM, unseen: 1 }], settledPace({ target: 50 }))).to.equal(10);
  });

  it('waits for standbys, old transactions and queues for locks, each beyond its threshold', () => {
    expect(reasonToWait(CALM, pace)).to.equal(undefined);
    expect(reasonToWait({ ...CALM, replicaLag: 10, oldTransaction: 300, lockWaits: 5 }, pace)).to.equal(undefined);
    expect(reasonToWait({ ...CALM, replicaLag: 10.1 }, pace)).to.equal('replicaLag');
    expect(reasonToWait({ ...CALM, oldTransaction: 301 }, pace)).to.equal('oldTransaction');
    expect(reasonToWait({ ...CALM, lockWaits: 6 }, pace)).to.equal('lockWaits');
  });

  it('is refused where it is no pace', () => {
    for (const wrong of [{ target: 0 }, { rest: -1 }, { replicaLag: Number.NaN }, { lag: 10 }, { rest: '1' }]) {
      expect(() => settledPace(wrong as never), JSON.stringify(wrong)).to.throw(ConfigurationError);
    }
  });
});

describe('A4: the breaker', () => {
  const people = { name: 'subject:user', kind: 'user' };
  const rows = { name: 'rows:public.visits', kind: undefined };

  it('lets a share pass, or a handful: one of three people may leave', () => {
    expect(allowedOf(limitOf(people), 3)).to.equal(10);
    expect(allowedOf(limitOf(people), 10_000)).to.equal(500);
    expect(allowedOf(limitOf(rows), 10_000)).to.equal(2_000);
    expect(allowedOf(limitOf(people, { people: 0.5, floor: 0 }), 3)).to.equal(1);
  });

  it('has a share for single rules', () => {
    const options = { people: 0.01, rules: { [rows.name]: 0.6 } };
    expect(limitOf(rows, options).share).to.equal(0.6);
    expect(limitOf(people, options).share).to.equal(0.01);
  });

  it('stops one too many, naming the rule and what to do', () => {
    const limit = limitOf(people);
    refuseTooMany(people, limit, 1_000, 50);
    const stop = (): void => refuseTooMany(people, limit, 1_000, 51);
    expect(stop).to.throw(BreakerError).with.property('code', 'BREAKER');
    expect(stop).to.throw(
      /subject:user: more than 50 people .* 5 %.*nothing was touched\n {2}fix: npx oubli plan --rule subject:user/,
    );
  });

  it('is refused where it is none', () => {
    for (const wrong of [{ people: 0 }, { people: 5 }, { people: Number.NaN }, { floor: -1 }, { floor: 1.5 }]) {
      expect(() => limitOf(people, wrong), JSON.stringify(wrong)).to.throw(ConfigurationError);
    }
  });
});
