/**
 * Whose rows those of a table are, as the erasure of a person finds them: the ways of its plan, read from the table's end. What
 * only refers to a person (a step that detaches) is not hers.
 */
import { type Catalogue, type Column, isPersonal, type Table } from '../catalogue/model';
import { planErasure } from './plan';
import type { Way } from './step';

/** One way from a table's rows to the person they belong to. */
export interface PersonWay {
  readonly way: Way;
  readonly kind: string;
  readonly subjectColumn: string;
}

/** The tables of a kind's graph, and those that lie between them and her. */
export function graphTables(catalogue: Catalogue, kind: string): Table[] {
  return catalogue.tables.filter((table) =>
    waysOf(catalogue)
      .get(table.oid)
      ?.some((each) => each.kind === kind),
  );
}

export function waysToPeople(catalogue: Catalogue, table: Table): readonly PersonWay[] {
  return waysOf(catalogue).get(table.oid) ?? [];
}

/**
 * What stays as it is while a row is held. Columns declared as not personal may change, unless they lead to the person or name the
 * row: she may still log in.
 */
export function watchedColumns(catalogue: Catalogue, table: Table): Column[] {
  const own = table.declaration?.is === 'subject' ? [table.declaration.column] : [];
  const leading = waysToPeople(catalogue, table).flatMap(({ way: [first] }) => first?.columns ?? []);
  const kept = new Set([...table.primaryKey, ...own, ...leading]);
  return [...table.columns.values()].filter(
    (column) => kept.has(column.name) || column.spec === undefined || isPersonal(column),
  );
}

/** A catalogue never changes. */
const known = new WeakMap<Catalogue, Map<number, PersonWay[]>>();

function waysOf(catalogue: Catalogue): Map<number, PersonWay[]> {
  let ways = known.get(catalogue);
  if (!ways) {
    ways = new Map();
    for (const kind of catalogue.subjectKinds) addKind(catalogue, kind, ways);
    known.set(catalogue, ways);
  }
  return ways;
}

function addKind(catalogue: Catalogue, kind: string, found: Map<number, PersonWay[]>): void {
  const subjects = catalogue.subjectTable(kind);
  if (!subjects) return;
  const { steps, rootColumn } = planErasure(catalogue, subjects);
  for (const step of steps) {
    if (step.action === 'detach') continue;
    for (const way of step.ways) {
      add(found, step.table.oid, { way, kind, subjectColumn: rootColumn });
      for (const [place, key] of way.entries()) {
        const rest = way.slice(place + 1);
        if (rest.length > 0) add(found, key.to, { way: rest, kind, subjectColumn: rootColumn });
      }
    }
  }
}

function add(found: Map<number, PersonWay[]>, oid: number, added: PersonWay): void {
  const ways = found.get(oid) ?? [];
  const same = (each: PersonWay): boolean =>
    each.kind === added.kind &&
    each.way.length === added.way.length &&
    each.way.every((key, i) => key === added.way[i]);
  if (!ways.some(same)) found.set(oid, [...ways, added]);
}
