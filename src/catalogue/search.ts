/** How a declaration says that a sealed column is searched, in the one form that the rest of the library reads. */
import type { Search, SearchAs } from './spec';

export const SEARCHES: readonly SearchAs[] = ['exact', 'email', 'lowercase', 'digits', 'unaccented'];

export interface SettledSearch {
  /** What counts as equal. */
  readonly as: SearchAs;
  /** Columns of one group share an index key, so that they compare with each other. */
  readonly group?: string | undefined;
  /** The columns that are indexed together with this one, and what counts as equal there. */
  readonly with?: Readonly<Record<string, SearchAs>> | undefined;
}

export function searchOf(search: Search): SettledSearch {
  return typeof search === 'string' ? { as: search } : search;
}

/** Whether values of two searchable elements that are equal have equal blind indexes. */
export function sharesIndex(a: Indexed | undefined, b: Indexed | undefined): boolean {
  return a !== undefined && (a === b || (a.group !== undefined && a.group === b?.group));
}

interface Indexed {
  readonly group: string | undefined;
}
