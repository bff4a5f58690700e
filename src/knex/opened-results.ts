/**
 * Remembers which results were opened: their rows are the caller's, and not for the listeners of `query-response`, who write
 * logs (ENVELOPE.md E8).
 */
import type { CompiledQuery, QueryResult } from './internals';

const ROW = '[oubli row]';

export class OpenedResults {
  private readonly results = new WeakSet<object>();

  add(result: object): void {
    this.results.add(result);
  }

  /** The arguments of an event, without rows that were opened. */
  redacted(event: string, args: unknown[]): unknown[] {
    if (event !== 'query-response') return args;
    const [response, query, ...more] = args;
    const result = (query as CompiledQuery | undefined)?.response;
    if (!result || !this.results.has(result)) return args;
    return [withoutRows(response), { ...(query as CompiledQuery), response: undefined }, ...more];
  }
}

function withoutRows(response: unknown): unknown {
  const rows = Array.isArray(response) ? response : (response as QueryResult | undefined)?.rows;
  return Array.isArray(rows) ? rows.map(() => ROW) : ROW;
}
