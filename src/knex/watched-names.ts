/**
 * Which texts of SQL speak of personal data: those that mention the name of a table or view with a declared column. Too many
 * are taken for such rather than too few: it only decides what is hidden from logs, and which statements need a closer look.
 */
import type { Catalogue, Table } from '../catalogue/model';
import { isPersonal } from '../catalogue/model';

const made = new WeakMap<Catalogue, WatchedNames>();

export class WatchedNames {
  /** Whether two tables share a name of ours, so that the same text means one or the other, as the session's search_path has it. */
  readonly ambiguous: boolean;
  private readonly pattern: RegExp | undefined;

  private constructor(catalogue: Catalogue) {
    const names = [...new Set(catalogue.tables.filter(isWatched).map((table) => table.name))];
    this.ambiguous = names.some((name) => catalogue.named(name).length > 1);
    this.pattern = names.length === 0 ? undefined : pattern(names);
  }

  static of(catalogue: Catalogue): WatchedNames {
    let names = made.get(catalogue);
    if (!names) {
      names = new WatchedNames(catalogue);
      made.set(catalogue, names);
    }
    return names;
  }

  mentions(sql: string): boolean {
    return this.pattern?.test(sql) ?? false;
  }
}

export function mentionsTable(sql: string, name: string): boolean {
  return pattern([name]).test(sql);
}

function pattern(names: readonly string[]): RegExp {
  return new RegExp(`(?<![\\w$])(?:${names.map(escaped).join('|')})(?![\\w$])`, 'i');
}

const watched = new WeakMap<Table, boolean>();

/** Whether anything in a table is personal: protected, or declared and clear. */
export function isWatched(table: Table): boolean {
  let answer = watched.get(table);
  if (answer === undefined) {
    answer = [...table.columns.values()].some((column) => column.element !== undefined || isPersonal(column));
    watched.set(table, answer);
  }
  return answer;
}

function escaped(name: string): string {
  return name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('"', '""');
}
