/**
 * Which types can name a data subject: those of which equal values have one text, by which her key is found. The same list as in
 * `oubli.refuse_subject_column`, which judges a declaration; asked at start, since a later statement may change the type.
 */
const ONE_SPELLING = /^(smallint|integer|bigint|uuid|text|character varying(\(\d+\))?)$/;

/** @param type as PostgreSQL writes it */
export function canNameSubject(type: string): boolean {
  return ONE_SPELLING.test(type);
}
