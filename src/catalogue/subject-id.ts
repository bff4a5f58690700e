/**
 * Which types can name a data subject: those of which equal values have one text, by which her key is found. The same list as in
 * `oubli.refuse_subject_column`, which judges a declaration; asked at start, since a later statement may change the type.
 */
const ONE_SPELLING = /^(smallint|integer|bigint|uuid|text|character varying(\(\d+\))?)$/;

/** @param type as PostgreSQL writes it */
export function canNameSubject(type: string): boolean {
  return ONE_SPELLING.test(type);
}

/** Whether what refers to an id writes it as the id is written: `char(8)` fills it up, `citext` keeps another case. */
export function writesAlike(type: string, referred: string): boolean {
  return canNameSubject(type) || kindOf(type) === kindOf(referred);
}

function kindOf(type: string): string {
  return type.replace(/\(.*\)/, '');
}
