import { expect } from 'chai';
import { checkAnnotateSpec } from '../../src/catalogue/check-annotate';
import { checkSubjectSpec, checkTableSpec } from '../../src/catalogue/check-table';
import { AnnotationError } from '../../src/errors';

const service = { purpose: 'provide the service', basis: 'contract' } as const;
const invoicing = { purpose: 'invoicing', basis: 'legal_obligation' } as const;
const tenYears = { from: 'issued_on', keep: '10 years', then: 'delete', because: 'Code de commerce L123-22' } as const;
const sixMonths = { from: 'service_ended_on', keep: '6 months', then: 'erase' } as const;

const table = (spec: unknown) => checkTableSpec('invoices', spec);
const subject = (spec: unknown, kind: unknown = 'user') => checkSubjectSpec('users', kind, spec);

function expectRefusal(call: () => unknown, code: string, says: RegExp | string, fix: RegExp | string): void {
  const error = expect(call).to.throw(AnnotationError, says);
  error.with.property('code', code);
  if (typeof fix === 'string') error.with.property('fix', fix);
  else error.with.property('fix').that.matches(fix);
}

describe('A table of personal data', () => {
  it('loses its rows with the person, unless the law obliges to keep them', () => {
    expect(table(service).onErase).to.equal('delete');
    expect(table({ ...invoicing, retention: tenYears }).onErase).to.equal('keep');
    expect(table({ ...invoicing, onErase: 'anonymise' }).onErase).to.equal('anonymise');
  });

  it('comes out with its defaults written in', () => {
    expect(table({ ...invoicing, retention: tenYears, subject: { via: 'user_id' }, controller: 'Acme' })).to.deep.equal(
      {
        ...invoicing,
        retention: { ...tenYears, timeZone: 'UTC' },
        subject: { via: 'user_id' },
        controller: 'Acme',
        onErase: 'keep',
      },
    );
  });

  it('names the law and the end for what it keeps after an erasure', () => {
    const { because: _, ...groundless } = tenYears;
    expectRefusal(
      () => table({ ...invoicing, retention: groundless }),
      'KEEP_WITHOUT_GROUND',
      /GDPR 17\(3\)/,
      "t.personalData({ purpose: 'invoicing', basis: 'legal_obligation', retention: { from: 'issued_on', " +
        "keep: '10 years', then: 'delete', because: 'Code de commerce L123-22' } })  // invoices",
    );
    expectRefusal(() => table(invoicing), 'KEEP_WITHOUT_GROUND', 'invoices', /because: 'Code de commerce L123-22'/);
    expectRefusal(() => table({ ...service, onErase: 'keep' }), 'KEEP_WITHOUT_GROUND', 'invoices', /because: /);
  });

  it('cannot "erase" rows: a table deletes or anonymises', () => {
    expectRefusal(
      () => table({ ...service, retention: { ...tenYears, then: 'erase' } }),
      'BAD_OPTION',
      "'retention.then' cannot be 'erase'; it is one of 'delete', 'anonymise'",
      /then: 'delete'/,
    );
  });

  it('is refused without a purpose, with a blank one, without a basis and with a misspelt one', () => {
    expectRefusal(() => table({ basis: 'contract' }), 'MISSING_OPTION', "'purpose'", /purpose: 'what it is for'/);
    expectRefusal(() => table({ ...service, purpose: '' }), 'MISSING_OPTION', "'purpose'", /purpose: 'what it is for'/);
    expectRefusal(() => table({ purpose: 'x' }), 'MISSING_OPTION', "'consent', 'contract'", /basis: 'consent'/);
    expectRefusal(() => table({ ...service, basis: 'consnt' }), 'BAD_OPTION', "mean 'consent'", /basis: 'consent'/);
  });

  it('is refused with unknown options, at every depth', () => {
    expectRefusal(() => table({ ...service, onErased: 'keep' }), 'UNKNOWN_OPTION', "mean 'onErase'", /onErase: 'keep'/);
    expectRefusal(
      () => table({ ...service, subject: { vai: 'user_id' } }),
      'UNKNOWN_OPTION',
      "'subject.vai', did you mean 'via'?",
      "t.personalData({ purpose: 'provide the service', basis: 'contract', subject: { via: 'user_id' } })  // invoices",
    );
    expectRefusal(
      () => table({ ...service, retention: { ...tenYears, kep: 1 } }),
      'UNKNOWN_OPTION',
      "'retention.kep', did you mean 'keep'?",
      /keep: '10 years'/,
    );
  });

  it('is refused when it says nothing at all', () => {
    expectRefusal(
      () => table(undefined),
      'BAD_SPEC',
      'the declaration must be an object',
      /^t\.personalData\({ purpose/,
    );
    expectRefusal(() => table({ ...service, retention: '6 months' }), 'BAD_SPEC', "'retention'", /retention: { from: /);
  });
});

describe('A retention rule', () => {
  const rule = (change: object) => () => subject({ ...service, retention: { ...sixMonths, ...change } });

  it('may start at an event', () => {
    expect(
      subject({ ...service, retention: { ...sixMonths, from: { event: 'service_ended' } } }).retention,
    ).to.deep.equal({
      ...sixMonths,
      from: { event: 'service_ended' },
      timeZone: 'UTC',
    });
    expectRefusal(
      rule({ from: { event: 'service_end' } }),
      'BAD_OPTION',
      "mean 'service_ended'",
      /event: 'service_ended' }/,
    );
    expectRefusal(rule({ from: '' }), 'MISSING_OPTION', "'retention.from'", /from: 'service_ended_on'/);
  });

  it('D3: may start at any anchor, its defaults written in', () => {
    const anchors = [
      { event: 'last_activity' },
      { event: 'consent_ended', purpose: 'newsletter' },
      { latestOf: ['last_login_on', 'last_order_on'] },
      { endOfFiscalYear: 'issued_on', startsOn: '04-01' },
      { deletionOf: 'order_id' },
    ];
    for (const from of anchors) expect(rule({ from })().retention.from).to.deep.equal(from);
    const year = rule({ from: { endOfFiscalYear: 'issued_on' } })().retention.from;
    expect(year).to.deep.equal({ endOfFiscalYear: 'issued_on', startsOn: '01-01' });
  });

  it('D3: is refused at an anchor that no calendar, no event and no column can be', () => {
    const cases: [from: object, code: string, says: string, fix: RegExp][] = [
      [{}, 'MISSING_OPTION', "'retention.from'", /from: { event: 'service_ended' }/],
      [{ latestof: ['a', 'b'] }, 'UNKNOWN_OPTION', "mean 'latestOf'", /from: { latestOf: \['a', 'b'\] }/],
      [{ event: 'consent_ended' }, 'MISSING_OPTION', "'retention.from.purpose'", /purpose: 'newsletter' }/],
      [{ event: 'last_activity', purpose: 'x' }, 'UNKNOWN_OPTION', 'purpose', /from: { event: 'last_activity' }/],
      [{ event: 'last_activity', deletionOf: 'x' }, 'UNKNOWN_OPTION', 'deletionOf', /from: { event: 'last_activity' }/],
      [{ latestOf: ['a'] }, 'BAD_LATEST_OF', 'two columns or more', /latestOf: \['a', 'last_login_on'\]/],
      [{ latestOf: ['a', 'a'] }, 'BAD_LATEST_OF', 'each of them once', /latestOf: \['a', 'last_login_on'\]/],
      [{ latestOf: 'a' }, 'BAD_LATEST_OF', 'two columns or more', /latestOf: \['last_login_on', 'last_order_on'\]/],
      [{ endOfFiscalYear: '' }, 'MISSING_OPTION', 'endOfFiscalYear', /endOfFiscalYear: 'issued_on'/],
      [{ endOfFiscalYear: 'a', startsOn: '02-29' }, 'BAD_FIRST_DAY', "'02-29'", /startsOn: '01-01'/],
      [{ endOfFiscalYear: 'a', startsOn: '4-1' }, 'BAD_FIRST_DAY', "'4-1'", /startsOn: '\d\d-01'/],
      [{ endOfFiscalYear: 'a', startsOn: '13-01' }, 'BAD_FIRST_DAY', "'13-01'", /startsOn: '\d\d-01'/],
      [{ deletionOf: 7 }, 'MISSING_OPTION', 'deletionOf', /deletionOf: 'order_id'/],
    ];
    for (const [from, code, says, fix] of cases) expectRefusal(rule({ from }), code as never, says, fix);
  });

  it('D4: may ask for notices, each of them once, and for people only', () => {
    const notices = { before: ['30 days', '7 days', '1 day'], minimum: '7 days' };
    expect(rule({ notices })().retention.notices).to.deep.equal(notices);
    const bad = (change: object) => rule({ notices: { ...notices, ...change } });
    expectRefusal(bad({ before: ['7 days', '1 week'] }), 'BAD_NOTICES', 'each of them once', /before: \['1 week'\]/);
    expectRefusal(bad({ before: [] }), 'BAD_NOTICES', 'lists periods', /before: \['30 days', '7 days'\]/);
    expectRefusal(bad({ before: '7 days' }), 'BAD_NOTICES', 'lists periods', /before: \['7 days'\]/);
    expectRefusal(bad({ before: ['7days'] }), 'BAD_PERIOD', "'7days'", /before: \['7 days'\]/);
    expectRefusal(bad({ before: undefined }), 'MISSING_OPTION', 'notices.before', /before: \['30 days', '7 days'\]/);
    expectRefusal(bad({ minimum: '1 wek' }), 'BAD_PERIOD', "'1 wek'", /minimum: '1 week'/);
    expectRefusal(bad({ minimum: undefined }), 'MISSING_OPTION', 'notices.minimum', /minimum: '7 days'/);
    expectRefusal(bad({ at: 'noon' }), 'UNKNOWN_OPTION', "'retention.notices.at'", /notices: { before/);
    const ofRows = { ...service, retention: { ...tenYears, notices } };
    expectRefusal(() => table(ofRows), 'NOTICES_OF_ROWS', 'go to people', /then: 'delete'[^}]*}/);
  });

  it('has a period that a calendar knows', () => {
    expectRefusal(rule({ keep: '6 monts' }), 'BAD_PERIOD', "users: '6 monts'", /keep: '6 months', then: 'erase'/);
    expectRefusal(rule({ keep: 6 }), 'BAD_PERIOD', "'6' is not a period", /keep: '6 months'/);
    expectRefusal(rule({ keep: undefined }), 'MISSING_OPTION', "'retention.keep'", /keep: '6 months'/);
  });

  it('counts in a time zone by its IANA name', () => {
    expect(rule({ timeZone: 'Europe/Paris' })().retention.timeZone).to.equal('Europe/Paris');
    expectRefusal(
      rule({ timeZone: 'Europe/Pari' }),
      'BAD_TIME_ZONE',
      "mean 'Europe/Paris'",
      /timeZone: 'Europe\/Paris'/,
    );
    expectRefusal(
      rule({ timeZone: '+02:00' }),
      'BAD_TIME_ZONE',
      "'\\+02:00'".replace('\\', ''),
      /timeZone: 'Europe\/Paris'/,
    );
    expectRefusal(rule({ timeZone: '' }), 'BAD_TIME_ZONE', "''", /timeZone: /);
  });
});

describe('A table of data subjects', () => {
  it('names the kind of person in one lower-case word', () => {
    expectRefusal(
      () => subject({ ...service, retention: sixMonths }, 'Shop Customer'),
      'BAD_SUBJECT_KIND',
      "'Shop Customer'",
      /^t\.dataSubject\('shop_customer', {/,
    );
    expectRefusal(() => subject({ ...service, retention: sixMonths }, 7), 'BAD_SUBJECT_KIND', "'7'", /'user'/);
  });

  it('cannot do without a retention rule', () => {
    expectRefusal(() => subject(service), 'MISSING_OPTION', "'retention'", /retention: { from: 'service_ended_on'/);
  });

  it('may be named by another column than its primary key', () => {
    expect(subject({ ...service, id: 'public_id', retention: sixMonths }).id).to.equal('public_id');
    expectRefusal(() => subject({ ...service, id: ' ', retention: sixMonths }), 'MISSING_OPTION', "'id'", /id: 'id'/);
  });
});

describe('The annotation of an existing table', () => {
  const email = { category: 'contact.email', protect: 'encrypt' };
  const annotate = (spec: unknown) => checkAnnotateSpec('customers', spec);

  it('says what a migration would have said', () => {
    const spec = {
      subject: { kind: 'customer', ...service, retention: sixMonths },
      columns: { email, total: { notPersonal: 'an amount' } },
    };
    expect(annotate(spec)).to.deep.equal({
      subject: { kind: 'customer', ...service, retention: { ...sixMonths, timeZone: 'UTC' } },
      columns: { email: { ...email, origin: 'provided', pad: '16' }, total: { notPersonal: 'an amount' } },
    });
  });

  it('may declare a table of data instead', () => {
    expect(annotate({ data: service, columns: {} })).to.deep.equal({
      data: { ...service, onErase: 'delete' },
      columns: {},
    });
  });

  it('names the column it refuses', () => {
    expectRefusal(() => annotate({ columns: { email: {} } }), 'MISSING_OPTION', 'customers.email', /customers\.email$/);
    expectRefusal(
      () => annotate({ columns: { a: { notPersonal: '' } } }),
      'NOT_PERSONAL_WITHOUT_BECAUSE',
      'customers.a',
      /a$/,
    );
    expectRefusal(
      () => annotate({ columns: { a: { ...email, notPersonal: 'x' } } }),
      'UNKNOWN_OPTION',
      'customers.a',
      /a$/,
    );
  });

  it('is refused without columns, and with options it does not know', () => {
    expectRefusal(() => annotate({}), 'BAD_SPEC', "'columns'", "await annotate(knex, 'customers', { columns: {} })");
    expectRefusal(() => annotate({ colums: {} }), 'UNKNOWN_OPTION', "mean 'columns'", /{ columns: {} }/);
  });
});
