/** How SQL writes a value into an export. */
import { quoteIdentifier as q } from '../queryable';

/**
 * A type's own output, which a cast to text is not: `192.0.2.0` would become `192.0.2.0/32`.
 * @param where SQL condition under which it is given at all
 */
export function asText(name: string, where?: string): string {
  const given = where === undefined ? '' : `(${where}) and `;
  return `case when ${given}t.${q(name)} is not null then format('%s', t.${q(name)}) end as ${q(name)}`;
}
