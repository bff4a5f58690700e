/** The run-time check of the `references` of a declaration: what a row refers to without a foreign key. */
import { type Draft, shown } from './draft';
import { suggest } from './suggest';
import { type Fields, isFields } from './written';

const OPTIONS = ['columns', 'json', 'path', 'to', 'on', 'when'];
const EXAMPLE = { columns: ['user_id'], to: 'users' };

export function checkReferences(draft: Draft): void {
  if (!draft.has('references')) return;
  const { references } = draft.given;
  if (!Array.isArray(references) || references.length === 0) {
    draft.refuse('BAD_REFERENCE', { why: 'it is a list of them' }, { references: [EXAMPLE] });
  }
  for (const reference of references as unknown[]) {
    const why = isFields(reference) ? whyNot(reference) : 'each is an object of named options';
    if (why !== undefined) draft.refuse('BAD_REFERENCE', { why }, { references: [EXAMPLE] });
  }
}

/** What is wrong with one of them; undefined where nothing is. */
function whyNot(said: Fields): string | undefined {
  const unknown = Object.keys(said).find((key) => !OPTIONS.includes(key));
  const { columns, json, path, to, on, when } = said;
  if (unknown !== undefined) return `unknown option '${unknown}'${didYouMean(suggest(unknown, OPTIONS))}`;
  if (!isText(to)) return "'to' names the table it refers to";
  if ((columns === undefined) === (json === undefined))
    return "it stands either in 'columns' or inside of a 'json' column";
  if (columns !== undefined && !isTexts(columns)) return "'columns' is a list of columns";
  if (json !== undefined && !(isText(json) && isTexts(path)))
    return "'json' is a column, and 'path' where the value stands in it";
  if (json === undefined && path !== undefined) return "'path' goes with 'json'";
  if (on !== undefined && !isTexts(on)) return "'on' is a list of columns of the other table";
  const width = isTexts(columns) ? columns.length : 1;
  if (isTexts(on) ? on.length !== width : width !== 1)
    return `'on' names one column of ${shown(to)} for each of its own`;
  if (when !== undefined && !isConditions(when)) return "'when' gives the value that each of its columns has";
  return undefined;
}

function isConditions(when: unknown): boolean {
  return isFields(when) && Object.keys(when).length > 0 && Object.values(when).every(isText);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.length > 0 && value.every(isText);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '';
}

function didYouMean(suggestion: string | undefined): string {
  return suggestion === undefined ? '' : `, did you mean '${suggestion}'?`;
}
