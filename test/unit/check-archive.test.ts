import { expect } from 'chai';
import { checkSubjectSpec, checkTableSpec } from '../../src/catalogue/check-table';
import { AnnotationError } from '../../src/errors';

const invoicing = { purpose: 'invoicing', basis: 'legal_obligation' } as const;
const tenYears = { from: 'issued_on', keep: '10 years', then: 'delete', because: 'Code de commerce L123-22' } as const;
const ofOrders = { keep: '10 years', then: 'delete', columns: ['total'], because: 'a law' } as const;
const later = { from: 'ordered_on', keep: '3 years', then: 'archive', archive: ofOrders } as const;

const kept = (archive: unknown) => () =>
  checkTableSpec('invoices', { ...invoicing, retention: { ...tenYears, archive } });
const moved = (archive: object) => () =>
  checkTableSpec('orders', {
    purpose: 'selling',
    basis: 'contract',
    retention: { ...later, archive: { ...ofOrders, ...archive } },
  });

function expectRefusal(call: () => unknown, code: string, fix: string): void {
  expect(call).to.throw(AnnotationError).with.property('code', code);
  expect(call).to.throw(AnnotationError).with.property('fix').that.includes(fix);
}

describe('The archive of a table', () => {
  it('R1: is a schema of its own that belongs to a role of its own, unless named otherwise', () => {
    expect(kept({ columns: ['total', 'total'] })().retention?.archive).to.deep.equal({
      schema: 'oubli_archive',
      owner: 'oubli_archive',
      columns: ['total'],
    });
    expect(kept({ columns: ['total'], schema: 'legal' })().retention?.archive).to.include({
      schema: 'legal',
      owner: 'legal',
    });
    expect(kept({ columns: ['total'], owner: 'archivist' })().retention?.archive).to.include({ owner: 'archivist' });
  });

  it('R1: takes the whole row where it says true', () => {
    expect(kept(true)().retention?.archive).to.deep.equal({ schema: 'oubli_archive', owner: 'oubli_archive' });
  });

  it('R1: without a column is refused', () => {
    const fix = "archive: { columns: ['total', 'issued_on'] }";
    for (const columns of [[], undefined, 'total', [3], ['']])
      expectRefusal(kept({ columns }), 'ARCHIVE_WITHOUT_COLUMNS', fix);
  });

  it('R1: in public, or in a schema of ours or of PostgreSQL, is refused', () => {
    for (const schema of ['public', 'oubli', 'pg_temp', 'information_schema'])
      expectRefusal(kept({ columns: ['total'], schema }), 'ARCHIVE_BESIDE', "schema: 'oubli_archive'");
  });

  it('R1: is of rows, and not of people', () => {
    const of = (retention: object) => () =>
      checkSubjectSpec('users', 'user', {
        purpose: 'provide the service',
        basis: 'contract',
        retention: { from: 'ended_on', keep: '6 months', then: 'erase', ...retention },
      });
    expectRefusal(of({ archive: true }), 'ARCHIVE_OF_PEOPLE', "keep: '6 months', then: 'erase' }");
    expectRefusal(of({ then: 'archive' }), 'ARCHIVE_OF_PEOPLE', "keep: '6 months', then: 'erase' }");
  });

  it('R1: of rows that an erasure deletes is refused, since nothing would ever reach it', () => {
    const deleted = () =>
      checkTableSpec('invoices', { ...invoicing, onErase: 'delete', retention: { ...tenYears, archive: true } });
    expectRefusal(deleted, 'ARCHIVE_OF_NOTHING', "onErase: 'keep'");
  });

  it('R1: ends in deletion', () => {
    const anonymised = () =>
      checkTableSpec('invoices', { ...invoicing, retention: { ...tenYears, then: 'anonymise', archive: true } });
    expectRefusal(anonymised, 'ARCHIVE_ENDS_IN_DELETE', "then: 'delete'");
    expectRefusal(moved({ then: 'anonymise' }), 'BAD_OPTION', "then: 'delete'");
  });

  it('R1: has an end and a ground of its own where rows reach it on a date', () => {
    expect(moved({})().retention?.archive).to.deep.equal({
      schema: 'oubli_archive',
      owner: 'oubli_archive',
      columns: ['total'],
      keep: '10 years',
      because: 'a law',
    });
    expectRefusal(moved({ keep: undefined }), 'MISSING_OPTION', "keep: '10 years'");
    expectRefusal(moved({ keep: '10 yeras' }), 'BAD_PERIOD', "keep: '10 years'");
    expectRefusal(moved({ because: '' }), 'MISSING_OPTION', 'because: ');
    const without = () =>
      checkTableSpec('orders', { purpose: 'selling', basis: 'contract', retention: { ...later, archive: undefined } });
    expectRefusal(without, 'BAD_SPEC', "keep: '10 years', then: 'delete', columns: [");
  });

  it('R1: does not end before rows reach it', () => {
    expectRefusal(moved({ keep: '3 years' }), 'ARCHIVE_TOO_SHORT', "keep: '10 years'");
    expect(moved({ keep: '1 year', from: 'paid_on' })().retention?.archive).to.include({ from: 'paid_on' });
  });

  it('R1: with a misspelt option is refused', () => {
    expectRefusal(kept({ colums: ['total'] }), 'UNKNOWN_OPTION', "columns: ['total']");
    expectRefusal(kept({ columns: ['total'], elsewhere: 'yes' }), 'BAD_OPTION', 'elsewhere: true');
  });

  it('R1: may be the ground on which rows outlive an erasure', () => {
    expect(checkTableSpec('orders', { ...invoicing, retention: later }).onErase).to.equal('keep');
  });
});
