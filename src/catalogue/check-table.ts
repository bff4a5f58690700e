/**
 * The run-time checks of `.personalData()` and `.dataSubject()`: why a table holds personal data, on what ground, for
 * how long, and what an erasure does to its rows.
 */

import { checkReferences } from './check-references';
import { checkRetention, type SettledRetention } from './check-retention';
import { Draft, shown } from './draft';
import type { OnErase } from './on-erase';
import type { SubjectSpec, TableSpec } from './spec';
import { BASIS_KEYS } from './vocabulary';
import { type Fields, isFields } from './written';

/** A checked declaration of a table, its defaults written in. */
export type SettledTableSpec = Omit<TableSpec, 'retention' | 'onErase'> & {
  readonly onErase: OnErase;
  readonly retention?: SettledRetention;
};

/** A checked declaration of a subject's own table, its defaults written in. */
export type SettledSubjectSpec = Omit<SubjectSpec, 'retention'> & { readonly retention: SettledRetention };

const RESPONSIBLE = ['purpose', 'basis', 'retention', 'controller', 'processor', 'references'] as const;
const ON_ERASE: readonly OnErase[] = ['delete', 'anonymise', 'keep', 'detach', 'review'];

/**
 * Checks one `.personalData()` declaration and writes its defaults in.
 *
 * @throws AnnotationError naming the table, with the declaration corrected in `fix`
 */
export function checkTableSpec(table: string, spec: unknown): SettledTableSpec {
  const call = (code: string): string => `t.personalData(${code})  // ${table}`;
  const draft = new Draft({ table }, call, spec, { purpose: 'what it is for', basis: 'contract' });
  draft.refuseUnknownOptions([...RESPONSIBLE, 'onErase', 'subject']);
  checkResponsible(draft);
  checkReference(draft);
  const retention = draft.has('retention')
    ? { retention: checkRetention(draft, ['delete', 'anonymise', 'archive']) }
    : {};
  const onErase = draft.oneOf('onErase', ON_ERASE, defaultOnErase(draft.given));
  if (onErase === 'keep') refuseGroundless(draft);
  else if (retention.retention?.archive && retention.retention.then !== 'archive') refuseUnkept(draft);
  return { ...draft.given, onErase, ...retention } as unknown as SettledTableSpec;
}

/**
 * Checks one `.dataSubject()` declaration and writes its defaults in.
 *
 * @param kind what a person of this table is called: one lower-case word, such as `'user'`
 * @throws AnnotationError naming the table, with the declaration corrected in `fix`
 */
export function checkSubjectSpec(table: string, kind: unknown, spec: unknown): SettledSubjectSpec {
  const call = (code: string): string => `t.dataSubject('${wordFrom(kind)}', ${code})  // ${table}`;
  const draft = new Draft({ table }, call, spec, SUBJECT_EXAMPLE);
  if (wordFrom(kind) !== kind) draft.refuse('BAD_SUBJECT_KIND', { given: shown(kind) });
  draft.refuseUnknownOptions([...RESPONSIBLE, 'id']);
  checkResponsible(draft);
  draft.textIfGiven('id', 'id');
  if (!draft.has('retention')) draft.refuse('MISSING_OPTION', { option: 'retention' }, SUBJECT_EXAMPLE);
  return {
    ...draft.given,
    retention: checkRetention(draft, ['erase', 'delete', 'anonymise'], 'people'),
  } as unknown as SettledSubjectSpec;
}

const SUBJECT_EXAMPLE = { retention: { from: 'service_ended_on', keep: '6 months', then: 'erase' } };

function checkResponsible(draft: Draft): void {
  draft.text('purpose', 'what it is for');
  draft.oneOf('basis', BASIS_KEYS);
  draft.textIfGiven('controller', 'who decides about the data');
  draft.textIfGiven('processor', 'who handles it on instruction');
  checkReferences(draft);
}

function checkReference(draft: Draft): void {
  if (!draft.has('subject')) return;
  const reference = draft.nested('subject', { kind: 'user', via: 'user_id' });
  reference.refuseUnknownOptions(['kind', 'via']);
  reference.textIfGiven('kind', 'user');
  reference.textIfGiven('via', 'user_id');
}

/** What the law obliges to keep outlives the request to erase (GDPR Art. 17(3)(b)). */
function defaultOnErase({ basis }: Fields): OnErase {
  return basis === 'legal_obligation' ? 'keep' : 'delete';
}

/** An exception to the right of erasure holds as far as its ground does: so the ground and the end are written down. */
function refuseGroundless(draft: Draft): void {
  const { retention } = draft.given;
  const rule = isFields(retention) ? retention : { from: 'issued_on', keep: '10 years', then: 'delete' };
  if ('because' in rule && rule.because !== undefined) return;
  if ('archive' in rule && isFields(rule.archive) && rule.archive.because !== undefined) return;
  draft.refuse('KEEP_WITHOUT_GROUND', {}, { retention: { ...rule, because: 'Code de commerce L123-22' } });
}

/** Rows that an erasure deletes or anonymises never reach an archive. */
function refuseUnkept(draft: Draft): never {
  return draft.refuse('ARCHIVE_OF_NOTHING', {}, { onErase: 'keep' });
}

/** A kind is one lower-case word: it stands in ledgers, receipts and on the command line. */
function wordFrom(kind: unknown): string {
  const word = typeof kind === 'string' ? kind.trim().toLowerCase() : '';
  return word.replace(/[^a-z0-9]+/g, '_').replace(/^[^a-z]+/, '') || 'user';
}
