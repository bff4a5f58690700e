/**
 * A person's id as PostgreSQL writes it. `05`, `5` and `' 5'` are one integer and one person: under a key found by the text as
 * it was given, her values would outlive her erasure.
 */
import type { Queryable } from '../queryable';

const WRITTEN_CANONICALLY: readonly [RegExp, RegExp][] = [
  [/^(smallint|integer|bigint)$/, /^(0|-?[1-9]\d*)$/],
  [/^uuid$/, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/],
  [/^(text|character varying(\(\d+\))?)$/, /(?:)/],
];

/** @param type of the column that names the person. The database is asked only about what is not evident. */
export async function canonicalIds(
  connection: Queryable,
  type: string,
  ids: readonly string[],
): Promise<readonly string[]> {
  const [, canonical] = WRITTEN_CANONICALLY.find(([types]) => types.test(type)) ?? [];
  if (canonical && ids.every((id) => canonical.test(id))) return ids;
  const { rows } = await connection.query(
    `select id::${type}::text as id from unnest($1::text[]) with ordinality w(id, place) order by place`,
    [ids],
  );
  return rows.map((row) => String(row.id));
}
