import { expect } from 'chai';
import { AnnotationError } from '../../src/errors';
import { meantPeriod, type Period, parsePeriod, toInterval } from '../../src/period';

describe('A period of a retention rule', () => {
  it('is kept in months and days, never in seconds', () => {
    expect(parsePeriod('6 months')).to.deep.equal({ months: 6, days: 0 });
    expect(parsePeriod('10 years')).to.deep.equal({ months: 120, days: 0 });
    expect(parsePeriod('2 weeks')).to.deep.equal({ months: 0, days: 14 });
    expect(parsePeriod('1 day')).to.deep.equal({ months: 0, days: 1 });
    expect(parsePeriod('999 days')).to.deep.equal({ months: 0, days: 999 });
  });

  it('is written as PostgreSQL reads an interval', () => {
    const written = (['6 months', '10 years', '1 month', '14 days', '3 weeks'] satisfies Period[]).map(toInterval);
    expect(written).to.deep.equal(['6 mons', '120 mons', '1 mons', '14 days', '21 days']);
  });

  const misspelt: Record<string, string | undefined> = {
    '6 monts': '6 months',
    '6months': '6 months',
    '6 Months': '6 months',
    ' 6 months ': '6 months',
    '6  months': '6 months',
    '6 mons': '6 months',
    '6 mois': '6 months',
    '10 ans': '10 years',
    '10 anées': undefined,
    '15 jours': '15 days',
    P6M: '6 months',
    P10Y: '10 years',
    '-3 days': '3 days',
    '1.5 years': '18 months',
    '0,5 years': '6 months',
    '1 dy': undefined,
    '0 days': undefined,
    '1000 days': undefined,
    '6m': undefined,
    '5 minutes': undefined,
    '500 ms': undefined,
    '1-5 days': undefined,
    '1 month 2 days': undefined,
    '٦ months': undefined,
    '': undefined,
    forever: undefined,
  };
  for (const [given, meant] of Object.entries(misspelt)) {
    it(`refuses '${given}', ${meant ? `and proposes '${meant}'` : 'and proposes nothing'}`, () => {
      expect(meantPeriod(given)).to.equal(meant);
      expect(() => parsePeriod(given))
        .to.throw(AnnotationError, meant ? `did you mean '${meant}'?` : `'${given}' is not a period`)
        .that.includes({ code: 'BAD_PERIOD', fix: `keep: '${meant ?? '6 months'}'` });
    });
  }

  it('names the table it is refused for', () => {
    expect(() => parsePeriod('6 monts', { table: 'users' })).to.throw(/^users: '6 monts'/);
  });
});
