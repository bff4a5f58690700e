/**
 * What must not compile, proved by the type check: each `@ts-expect-error` fails when its line compiles after all. The
 * lines are never run.
 */
import type { Knex } from 'knex';
import type { Anchor } from '../../src/catalogue/anchor-spec';
import type { AnnotateSpec, PersonalSpec, SubjectSpec, TableSpec } from '../../src/catalogue/spec';
import type { Period } from '../../src/period';
import '../../src/schema/declarations';

export const periods: Period[] = [
  '6 months',
  '10 years',
  '1 month',
  '1 year',
  '14 days',
  '3 weeks',
  '100 days',
  '999 days',
];
// @ts-expect-error a misspelt unit
export const misspelt: Period = '6 monts';
// @ts-expect-error no space
export const cramped: Period = '6months';
// @ts-expect-error backwards
export const negative: Period = '-3 days';
// @ts-expect-error a fraction
export const fraction: Period = '1.5 years';
// @ts-expect-error no time at all
export const zero: Period = '0 days';
// @ts-expect-error a leading zero
export const padded: Period = '06 months';
// @ts-expect-error a range
export const range: Period = '1-5 days';
// @ts-expect-error an hour is no calendar period
export const hours: Period = '5 hours';

const name = { category: 'identity.name', protect: 'encrypt' } as const;
const retention = { from: 'service_ended_on', keep: '6 months', then: 'erase' } as const;
const tenYears = { from: 'issued_on', keep: '10 years', then: 'delete', because: 'Code de commerce L123-22' } as const;
const service = { purpose: 'provide the service', basis: 'contract' } as const;
const invoicing = { purpose: 'invoicing', basis: 'legal_obligation' } as const;

/** Every line of a migration that is right, and every misuse beside it, on the builder of `createTable`. */
export function createTable(knex: Knex): unknown {
  return knex.schema.createTable('users', (t) => {
    t.increments('id');
    t.text('name').notNullable().personal(name).comment('chains on');
    t.text('email').personal({ category: 'contact.email', protect: 'encrypt', search: 'email', unique: true });
    t.text('reply').personal({ ...name, subject: { via: 'recipient_id' } });
    t.text('verdict').personal({ ...name, subject: { via: 'clerk_id', kind: 'clerk' } });
    // @ts-expect-error a kind alone does not say which key leads to her
    t.text('reply').personal({ ...name, subject: { kind: 'user' } });
    t.text('mail').personal({ ...name, search: { as: 'email', group: 'contact' }, unique: true });
    t.text('phone').personal({ ...name, search: 'digits' });
    t.text('family').personal({ ...name, search: { as: 'unaccented', with: { birth_date: 'exact' } } });
    t.text('gender').personal({
      category: 'identity.gender',
      protect: 'encrypt',
      search: 'exact',
      acknowledgeLeak: 'a statistic the law asks for',
    });
    t.specificType('ip', 'inet').personal({
      category: 'connection.ip',
      protect: 'truncate-ip',
      v4: 16,
      origin: 'observed',
    });
    t.text('account').personal({ category: 'account.id', protect: 'pseudonymise', basis: 'legitimate_interests' });
    t.text('city').personal({
      category: 'contact.city',
      protect: 'clear',
      because: 'on the map',
      replaceWith: 'nowhere',
    });
    t.text('tier').personal({
      category: 'own.loyalty_tier',
      mapsTo: { fideslang: 'user.demographic.profile', dpv: 'pd:Profile' },
      protect: 'encrypt',
    });
    t.text('bio').personal({ ...name, tokens: { words: true, as: 'unaccented' }, acknowledgeLeak: 'we look' });
    t.text('last_name').personal({
      ...name,
      search: 'unaccented',
      unique: true,
      tokens: { prefix: { min: 3, max: 8 }, words: true, as: 'unaccented' },
      acknowledgeLeak: 'we look',
    });
    t.text('locale').notPersonal('a language tag singles nobody out');
    t.dataSubject('user', { ...service, retention }).personalData(service);

    // @ts-expect-error nothing is said
    t.text('x').personal();
    // @ts-expect-error a misspelt category
    t.text('x').personal({ category: 'identity.nam', protect: 'encrypt' });
    // @ts-expect-error no category
    t.text('x').personal({ protect: 'encrypt' });
    // @ts-expect-error no protection
    t.text('x').personal({ category: 'identity.name' });
    // @ts-expect-error a misspelt protection
    t.text('x').personal({ category: 'identity.name', protect: 'encrpyt' });
    // @ts-expect-error an own category that nothing maps
    t.text('x').personal({ category: 'own.tier', protect: 'encrypt' });
    // @ts-expect-error an own category mapped to one taxonomy only
    t.text('x').personal({ category: 'own.tier', protect: 'encrypt', mapsTo: { fideslang: 'user' } });
    // @ts-expect-error an own category mapped to something that is no DPV term
    t.text('x').personal({ category: 'own.tier', protect: 'encrypt', mapsTo: { fideslang: 'user', dpv: 'Profile' } });
    // @ts-expect-error a known category is mapped already
    t.text('x').personal({ ...name, mapsTo: { fideslang: 'user', dpv: 'pd:Profile' } });
    // @ts-expect-error search on a column in clear text
    t.text('x').personal({ category: 'identity.name', protect: 'clear', because: 'public', search: 'exact' });
    // @ts-expect-error search on a pseudonym
    t.text('x').personal({ category: 'identity.name', protect: 'pseudonymise', search: 'exact' });
    // @ts-expect-error search on a truncated address
    t.text('x').personal({ category: 'connection.ip', protect: 'truncate-ip', search: 'exact' });
    // @ts-expect-error a misspelt search
    t.text('x').personal({ ...name, search: 'emial' });
    // @ts-expect-error a misspelt search in a group
    t.text('x').personal({ ...name, search: { as: 'emial', group: 'contact' } });
    // @ts-expect-error a compound index that says of no column what counts as equal there
    t.text('x').personal({ ...name, search: { as: 'exact', with: ['birth_date'] } });
    // @ts-expect-error a group of a compound index
    t.text('x').personal({ ...name, search: { as: 'exact', group: 'contact', with: { birth_date: 'exact' } } });
    // @ts-expect-error a group of what is not searched
    t.text('x').personal({ ...name, search: { group: 'contact' } });
    // @ts-expect-error a misspelt option of a search
    t.text('x').personal({ ...name, search: { as: 'email', gruop: 'contact' } });
    // @ts-expect-error unique without search
    t.text('x').personal({ category: 'identity.name', protect: 'encrypt', unique: true });
    // @ts-expect-error unique is said or left out
    t.text('x').personal({ category: 'identity.name', protect: 'encrypt', search: 'exact', unique: false });
    // @ts-expect-error a leak acknowledged where nothing leaks
    t.text('x').personal({ category: 'identity.name', protect: 'encrypt', acknowledgeLeak: 'so be it' });
    // @ts-expect-error tokens without a reason
    t.text('x').personal({ ...name, tokens: { words: true, as: 'lowercase' } });
    // @ts-expect-error tokens without a reason, beside a search
    t.text('x').personal({ ...name, search: 'exact', tokens: { words: true, as: 'lowercase' } });
    // @ts-expect-error tokens of nothing
    t.text('x').personal({ ...name, tokens: { as: 'lowercase' }, acknowledgeLeak: 'we look' });
    // @ts-expect-error tokens that tell case apart
    t.text('x').personal({ ...name, tokens: { words: true, as: 'exact' }, acknowledgeLeak: 'we look' });
    // @ts-expect-error a beginning without an end
    t.text('x').personal({ ...name, tokens: { prefix: { min: 3 }, as: 'lowercase' }, acknowledgeLeak: 'we look' });
    // @ts-expect-error tokens of a pseudonym
    t.text('x').personal({ category: 'account.id', protect: 'pseudonymise', tokens: { words: true, as: 'lowercase' } });
    // @ts-expect-error clear text without a reason
    t.text('x').personal({ category: 'identity.name', protect: 'clear' });
    // @ts-expect-error a reason for what is sealed
    t.text('x').personal({ category: 'identity.name', protect: 'encrypt', because: 'we like it' });
    // @ts-expect-error a replacement for what is sealed
    t.text('x').personal({ category: 'identity.name', protect: 'encrypt', replaceWith: 'x' });
    t.text('x').personal({ category: 'identity.name', protect: 'encrypt', maxBytes: 4_194_304 });
    // @ts-expect-error a limit of what is not sealed
    t.text('x').personal({ category: 'account.id', protect: 'pseudonymise', maxBytes: 10 });
    // @ts-expect-error a padding class as a number
    t.text('x').personal({ category: 'identity.name', protect: 'encrypt', pad: 16 });
    // @ts-expect-error bits no authority names
    t.text('x').personal({ category: 'connection.ip', protect: 'truncate-ip', v4: 32 });
    // @ts-expect-error a misspelt basis
    t.text('x').personal({ category: 'identity.name', protect: 'encrypt', basis: 'contrat' });
    // @ts-expect-error an origin nobody knows
    t.text('x').personal({ category: 'identity.name', protect: 'encrypt', origin: 'guessed' });
    // @ts-expect-error a misspelt option
    t.text('x').personal({ category: 'identity.name', protect: 'encrypt', serach: 'exact' });
    // @ts-expect-error not personal, without a reason
    t.text('x').notPersonal();
    // @ts-expect-error a subject without a retention rule
    t.dataSubject('user', service);
    // @ts-expect-error a period the calendar does not know
    t.dataSubject('user', { ...service, retention: { from: 'service_ended_on', keep: '6 monts', then: 'erase' } });
    // @ts-expect-error a subject without a kind
    t.dataSubject({ ...service, retention });
    // @ts-expect-error data without a basis
    t.personalData({ purpose: 'invoicing' });
  });
}

/** The same words on the builder of `alterTable`, and on an altered column. */
export function alterTable(knex: Knex): unknown {
  return knex.schema.alterTable('invoices', (t) => {
    t.text('address').personal({ category: 'contact.address', protect: 'encrypt' });
    t.integer('user_id').references('users.id').notPersonal('leads to the subject');
    t.personalData({ ...invoicing, retention: tenYears });

    // @ts-expect-error unique without search
    t.text('x').personal({ category: 'identity.name', protect: 'encrypt', unique: true });
    // @ts-expect-error clear text without a reason
    t.text('x').personal({ category: 'identity.name', protect: 'clear' });
    // @ts-expect-error search on a pseudonym, further down the chain
    t.text('x').nullable().personal({ category: 'identity.name', protect: 'pseudonymise', search: 'exact' });
    // @ts-expect-error a legal obligation without its law and its end
    t.personalData(invoicing);
  });
}

export const tables: TableSpec[] = [
  service,
  {
    ...service,
    onErase: 'anonymise',
    subject: { kind: 'user', via: 'owner_id' },
    controller: 'Acme',
    processor: 'Host',
  },
  {
    ...service,
    retention: { from: { event: 'service_ended' }, keep: '1 year', then: 'anonymise', timeZone: 'Europe/Paris' },
  },
  { ...service, onErase: 'keep', retention: tenYears },
  { ...invoicing, retention: tenYears },
  { ...invoicing, onErase: 'delete' },
];

// @ts-expect-error what is kept after an erasure names its ground
export const groundless: TableSpec = {
  ...service,
  onErase: 'keep',
  retention: { from: 'a', keep: '1 year', then: 'delete' },
};
// @ts-expect-error what is kept after an erasure has an end
export const endless: TableSpec = { ...service, onErase: 'keep' };
// @ts-expect-error a legal obligation keeps by default, so it names its law
export const lawless: TableSpec = { ...invoicing, retention: { from: 'issued_on', keep: '10 years', then: 'delete' } };
// @ts-expect-error a table deletes or anonymises; persons are erased
export const erased: TableSpec = { ...service, retention };
const ofArchive = { keep: '10 years', then: 'delete', because: 'a law', columns: ['total'] } as const;
const later = { from: 'ordered_on', keep: '3 years', then: 'archive', archive: ofArchive } as const;
export const archived: TableSpec[] = [
  { ...invoicing, retention: { ...tenYears, archive: true } },
  { ...invoicing, retention: { ...tenYears, archive: { columns: ['total'], schema: 'legal', owner: 'archivist' } } },
  { ...invoicing, retention: { ...tenYears, archive: { columns: ['total'], elsewhere: true } } },
  { ...service, retention: later },
  { ...invoicing, retention: later },
];
// @ts-expect-error an archive of no column
export const archivedNothing: TableSpec = { ...invoicing, retention: { ...tenYears, archive: { columns: [] } } };
export const archivedUnknown: AnnotateSpec<'total' | 'email'> = {
  // @ts-expect-error an archive of a column that is not there
  data: { ...invoicing, retention: { ...tenYears, archive: { columns: ['totl'] } } },
  columns: { email: name },
};
// @ts-expect-error an archive of rows that an erasure deletes
export const archivedDeleted: TableSpec = { ...service, onErase: 'delete', retention: { ...tenYears, archive: true } };
export const archivedAnonymised: TableSpec = {
  ...invoicing,
  // @ts-expect-error an archive that ends in another way than by deletion
  retention: { ...tenYears, then: 'anonymise', archive: true },
};
// @ts-expect-error rows that are moved on a date of their own, to an archive without an end
export const archivedForEver: TableSpec = { ...service, retention: { ...later, archive: { columns: ['total'] } } };
// @ts-expect-error an outcome without an archive
export const archivedNowhere: TableSpec = { ...service, retention: { ...tenYears, then: 'archive' } };
// @ts-expect-error rows are archived, not people
export const outcome: SubjectSpec = { ...service, retention: { ...retention, then: 'archive' as const } };
// @ts-expect-error an event nobody emits
export const event: SubjectSpec = { ...service, retention: { ...retention, from: { event: 'service_end' } } };

/** Every anchor (ERASURE.md D3), and how it cannot be written. */
export const anchors: Anchor[] = [
  'left_on',
  { event: 'last_activity' },
  { event: 'consent_ended', purpose: 'newsletter' },
  { latestOf: ['last_login_on', 'last_order_on'] },
  { endOfFiscalYear: 'issued_on' },
  { endOfFiscalYear: 'issued_on', startsOn: '04-01' },
  { deletionOf: 'order_id' },
];
// @ts-expect-error a consent to nothing
export const purposeless: Anchor = { event: 'consent_ended' };
// @ts-expect-error an activity has no purpose
export const purposeful: Anchor = { event: 'last_activity', purpose: 'newsletter' };
// @ts-expect-error the latest of one
export const alone: Anchor = { latestOf: ['last_login_on'] };
// @ts-expect-error an anchor misspelt
export const misspeltAnchor: Anchor = { endOfFiscalyear: 'issued_on' };
// @ts-expect-error a day that three years out of four do not have
export const leapDay: Anchor = { endOfFiscalYear: 'issued_on', startsOn: '02-29' };
// @ts-expect-error a day as it is not written
export const shortDay: Anchor = { endOfFiscalYear: 'issued_on', startsOn: '4-1' };

const notices = { before: ['30 days', '7 days'], minimum: '7 days' } as const;
export const noticed: SubjectSpec = { ...service, retention: { ...retention, notices } };
// @ts-expect-error notices go to people, and rows have one of their own
export const noticedRows: TableSpec = { ...invoicing, retention: { ...tenYears, notices } };
// @ts-expect-error notices without the time that has to go by after them
export const graceless: SubjectSpec = { ...service, retention: { ...retention, notices: { before: ['7 days'] } } };

export const annotated: AnnotateSpec = {
  subject: { kind: 'customer', ...service, retention, id: 'public_id' },
  columns: { email: name, total: { notPersonal: 'an amount' } },
};
// @ts-expect-error a column misspelt, where the columns are known
export const unknownColumn: AnnotateSpec<'email' | 'total'> = { columns: { emial: name } };
// @ts-expect-error personal and not personal
export const both: AnnotateSpec = { columns: { email: { ...name, notPersonal: 'no' } } };

/** `protect` tells the declarations apart. */
export function reasonOf(spec: PersonalSpec): string | undefined {
  // @ts-expect-error only clear text has a reason
  if (spec.protect === 'encrypt') return spec.because;
  return spec.protect === 'clear' ? spec.because : undefined;
}

interface Person {
  readonly id: number;
  readonly name: string;
}

/** Sorting after opening: bounded, or it does not compile. */
export function orderByDecrypted(knex: Knex): unknown {
  const rows: Promise<Person[]> = knex<Person>('users')
    .select('*')
    .orderByDecrypted('name', { cap: 10 })
    .limit(1)
    .then((found) => found);
  knex<Person>('users').orderByDecrypted('users.name', { cap: 10, direction: 'desc', nulls: 'last', locale: 'fr' });
  knex('users').orderByDecrypted('anything', { cap: 10 });
  // @ts-expect-error no cap
  knex<Person>('users').orderByDecrypted('name', {});
  // @ts-expect-error no options
  knex<Person>('users').orderByDecrypted('name');
  // @ts-expect-error a misspelt column
  knex<Person>('users').orderByDecrypted('nam', { cap: 10 });
  // @ts-expect-error a direction of its own
  knex<Person>('users').orderByDecrypted('name', { cap: 10, direction: 'up' });
  return rows;
}

const shown = { category: 'identity.birth_date', protect: 'clear', because: 'a test' } as const;

/** What stays in an anonymised row. */
export const anonymised: PersonalSpec[] = [
  { ...shown, anonymise: { to: 'year' }, quasiIdentifier: true, statistics: 'none' },
  { ...shown, anonymise: { prefix: 2 } },
  { ...shown, anonymise: { fake: 'email' }, sensitive: true },
  { category: 'account.id', protect: 'pseudonymise', anonymise: 'pseudonym' },
  // @ts-expect-error a hash is a pseudonym, and anonymises nothing
  { ...shown, anonymise: 'hash' },
  // @ts-expect-error no such precision
  { ...shown, anonymise: { to: 'week' } },
  // @ts-expect-error one of the two
  { ...shown, anonymise: { to: 'year' }, replaceWith: 'x' },
  // @ts-expect-error what is sealed becomes nothing
  { category: 'identity.name', protect: 'encrypt', anonymise: { prefix: 2 } },
];
