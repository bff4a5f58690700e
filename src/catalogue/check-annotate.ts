/**
 * The run-time check of `annotate(knex, table, spec)`: the same declarations as in a migration, for a table that
 * already exists.
 */
import { MEASURED } from './check-anonymise';
import { checkNotPersonal, checkPersonalSpec, type SettledPersonalSpec } from './check-personal';
import { checkSubjectSpec, checkTableSpec, type SettledSubjectSpec, type SettledTableSpec } from './check-table';
import { Draft } from './draft';
import type { NotPersonalSpec } from './spec';
import { type Fields, isFields } from './written';

/** A checked declaration of an existing table, its defaults written in. */
export interface SettledAnnotateSpec {
  readonly subject?: { readonly kind: string } & SettledSubjectSpec;
  readonly data?: SettledTableSpec;
  readonly columns: Readonly<Record<string, SettledPersonalSpec | NotPersonalSpec>>;
}

/**
 * Checks everything said of an existing table.
 *
 * @throws AnnotationError naming table and column, with the declaration corrected in `fix`
 */
export function checkAnnotateSpec(table: string, spec: unknown): SettledAnnotateSpec {
  const call = (code: string): string => `await annotate(knex, '${table}', ${code})`;
  const draft = new Draft({ table }, call, spec, { columns: {} });
  draft.refuseUnknownOptions(['subject', 'data', 'columns']);
  const columns = draft.nested('columns', {}).given;
  return {
    ...checkSubject(table, draft),
    ...(draft.has('data') ? { data: checkTableSpec(table, draft.given.data) } : {}),
    columns: Object.fromEntries(
      Object.entries(columns).map(([column, said]) => [column, checkColumn(table, column, said)]),
    ),
  };
}

function checkSubject(table: string, draft: Draft): Pick<SettledAnnotateSpec, 'subject'> {
  if (!draft.has('subject')) return {};
  const { kind, ...spec } = draft.nested('subject', { kind: 'user' }).given;
  return { subject: { ...checkSubjectSpec(table, kind, spec), kind: kind as string } };
}

function checkColumn(table: string, column: string, said: unknown): SettledPersonalSpec | NotPersonalSpec {
  if (isNotPersonal(said)) {
    const { notPersonal, ...measured } = said;
    return checkNotPersonal(table, column, notPersonal, measured);
  }
  return checkPersonalSpec(table, column, said);
}

/** Nothing but `{ notPersonal }` and what is measured of it: beside a protection it is an unknown option. */
function isNotPersonal(said: unknown): said is Fields & { readonly notPersonal: unknown } {
  return isFields(said) && 'notPersonal' in said && Object.keys(said).every((key) => SAID.includes(key));
}

const SAID = ['notPersonal', ...MEASURED];
