/**
 * Remembers which results hold something personal, opened or clear: their rows are the caller's, and not for the listeners of
 * `query-response` and `query-error`, who write logs (ENVELOPE.md E8).
 */
import { type Catalogue, isPersonal } from '../catalogue/model';
import type { CompiledQuery, Field, QueryResult } from './internals';
import type { Seam } from './seam';
import { WatchedNames } from './watched-names';

const ROW = '[oubli row]';

export class PersonalResults {
  private readonly results = new WeakSet<object>();

  add(result: object): void {
    this.results.add(result);
  }

  /** The arguments of an event, without personal rows. */
  redacted(event: string, args: unknown[]): unknown[] {
    if (event !== 'query-response' && event !== 'query-error') return args;
    const [answer, query, ...more] = args;
    const result = (query as CompiledQuery | undefined)?.response;
    if (!result || !this.results.has(result)) return args;
    const said = event === 'query-error' ? answer : withoutRows(answer);
    return [said, { ...(query as CompiledQuery), response: undefined }, ...more];
  }
}

/**
 * Whether any column of a result is personal as it stands in the database. Where the server does not say which column a field
 * comes from, an expression over a watched table may be anything.
 */
export function showsPersonal(seam: Seam, sql: string, result: QueryResult | QueryResult[]): boolean {
  for (const each of Array.isArray(result) ? result : [result]) {
    if (each?.rows?.length && each.fields.some((field) => isPersonalField(seam.catalogue, field, sql))) return true;
  }
  return false;
}

function isPersonalField(catalogue: Catalogue, field: Field, sql: string): boolean {
  if (field.tableID === 0) return WatchedNames.of(catalogue).mentions(sql);
  const column = catalogue.columnOfField(field.tableID, field.columnID);
  return column !== undefined && (column.element !== undefined || isPersonal(column));
}

function withoutRows(response: unknown): unknown {
  const rows = Array.isArray(response) ? response : (response as QueryResult | undefined)?.rows;
  return Array.isArray(rows) ? rows.map(() => ROW) : ROW;
}
