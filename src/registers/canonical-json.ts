/**
 * JSON with one text for one value, for what is signed: members in the order of their names (by UTF-16 code units), no spaces, texts
 * as JSON.stringify writes them. The part of RFC 8785 that certificates need: they hold no number but whole ones.
 *
 * @throws TypeError for a number that is not a safe integer, which two readers could print differently
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) return braced(value as Record<string, unknown>);
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new TypeError('not a safe integer');
  return JSON.stringify(value);
}

function braced(fields: Record<string, unknown>): string {
  const names = Object.keys(fields).filter((name) => fields[name] !== undefined);
  return `{${names
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonicalJson(fields[name])}`)
    .join(',')}}`;
}
