/**
 * The run-time check of a rule's `archive`: which columns the legal ground names, where they go, and until when. The archive
 * is a place of its own (ERASURE.md R1): in `public`, or beside the table, it would only be a flag in the active base.
 */
import { isPeriod, type Period, parsePeriod } from '../period';
import { checkPeriod } from './check-notices';
import { type Draft, shown } from './draft';
import { isFields } from './written';

/** A checked archive, its defaults written in. */
export interface SettledArchive {
  readonly schema: string;
  readonly owner: string;
  /** Undefined for the whole row. */
  readonly columns?: readonly string[];
  readonly elsewhere?: true;
  /** Its own period, start and ground, where rows are moved on a date of their own. */
  readonly keep?: Period;
  readonly from?: string;
  readonly because?: string;
}

export const ARCHIVE_SCHEMA = 'oubli_archive';

const PLACE = ['columns', 'schema', 'owner', 'elsewhere'];
const LATER = [...PLACE, 'keep', 'from', 'then', 'because'];
const LATER_EXAMPLE = {
  keep: '10 years',
  then: 'delete',
  columns: ['total', 'issued_on'],
  because: 'Code de commerce L123-22',
};

/** @param outcomes what may happen at the end of the rule, the likeliest first */
export function refuseArchiveOfPeople(rule: Draft, outcomes: readonly string[]): void {
  const { archive, then } = rule.given;
  if (outcomes.includes('archive') || (archive === undefined && then !== 'archive')) return;
  rule.refuse('ARCHIVE_OF_PEOPLE', {}, { archive: undefined, then: then === 'archive' ? outcomes[0] : then });
}

/** @param rule the retention it stands in, otherwise checked; undefined where it says nothing of an archive */
export function checkArchive(rule: Draft): SettledArchive | undefined {
  const { archive, then } = rule.given;
  if (archive === undefined && then !== 'archive') return undefined;
  if (then === 'archive') return later(rule);
  if (then !== 'delete') rule.refuse('ARCHIVE_ENDS_IN_DELETE', { given: shown(then) }, { then: 'delete' });
  return archive === true ? { schema: ARCHIVE_SCHEMA, owner: ARCHIVE_SCHEMA } : place(nested(rule), PLACE);
}

function nested(rule: Draft): Draft {
  return rule.nested('archive', { columns: ['total', 'issued_on'] });
}

function later(rule: Draft): SettledArchive {
  const archive = isFields(rule.given.archive) ? nested(rule) : rule.nested('archive', LATER_EXAMPLE);
  const settled = place(archive, LATER);
  checkPeriod(archive, 'keep', '10 years');
  const keep = archive.given.keep as Period;
  archive.oneOf('then', ['delete']);
  archive.text('because', 'the law that has it kept');
  archive.textIfGiven('from', 'issued_on');
  refuseShorter(rule, archive, keep);
  return { ...settled, keep, because: String(archive.given.because), ...fromOf(archive) };
}

function fromOf({ given: { from } }: Draft): { from?: string } {
  return typeof from === 'string' ? { from } : {};
}

/** Both periods start on the same day, so the one in the archive is the whole. */
function refuseShorter(rule: Draft, archive: Draft, keep: Period): void {
  const { keep: before } = rule.given;
  if (archive.has('from') || !isPeriod(before) || days(keep) > days(before)) return;
  archive.refuse('ARCHIVE_TOO_SHORT', { given: keep, before }, { keep: '10 years' });
}

function days(period: Period): number {
  const { months, days: more } = parsePeriod(period);
  return months * 30 + more;
}

function place(archive: Draft, options: readonly string[]): SettledArchive {
  archive.refuseUnknownOptions(options);
  const { schema = ARCHIVE_SCHEMA, elsewhere } = archive.given;
  const columns = namesIn(archive);
  archive.textIfGiven('schema', ARCHIVE_SCHEMA);
  archive.textIfGiven('owner', ARCHIVE_SCHEMA);
  if (/^(public|oubli|information_schema|pg_.*)$/.test(String(schema))) {
    archive.refuse('ARCHIVE_BESIDE', { schema: String(schema) }, { schema: ARCHIVE_SCHEMA });
  }
  if (elsewhere !== undefined) archive.oneOf('elsewhere', [true]);
  const { owner = schema } = archive.given;
  return { schema: String(schema), owner: String(owner), columns, ...(elsewhere ? { elsewhere: true } : {}) };
}

function namesIn(archive: Draft): string[] {
  const { columns } = archive.given;
  const named = Array.isArray(columns) ? columns.filter((name) => typeof name === 'string' && name !== '') : [];
  if (Array.isArray(columns) && named.length > 0 && named.length === columns.length) return [...new Set(named)];
  return archive.refuse('ARCHIVE_WITHOUT_COLUMNS', {}, { columns: ['total', 'issued_on'] });
}
