/**
 * A declaration as code again, so that an error can show it corrected:
 * `{ category: 'contact.email', search: 'exact' }`. Only what a migration may hold is printed; anything else appears as `…`.
 */

/** A plain object with named fields. */
export type Fields = Readonly<Record<string, unknown>>;

/** Not an array, a date, a builder or another class's instance. */
export function isFields(value: unknown): value is Fields {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

export function written(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `[${value.map(written).join(', ')}]`;
  return isFields(value) ? braced(value) : '…';
}

function braced(fields: Fields): string {
  const pairs = Object.entries(fields)
    .filter(([, held]) => held !== undefined)
    .map(([name, held]) => `${fieldName(name)}: ${written(held)}`);
  return pairs.length === 0 ? '{}' : `{ ${pairs.join(', ')} }`;
}

function fieldName(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : quoted(name);
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&').replaceAll('\n', '\\n')}'`;
}
