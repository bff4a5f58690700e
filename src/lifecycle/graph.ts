/**
 * What an end does to each table, decided from the declarations and what refers to what (ERASURE.md G1, G2). Pure: no row
 * is read. The root is a table of subjects, or a table whose rows end by a rule of their own; below it everything that
 * belongs to its rows is deleted, anonymised, kept or detached, and what nobody declared blocks.
 */
import type { Catalogue, ForeignKey, Table } from '../catalogue/model';
import { isOfSeveral, partiesOf } from '../catalogue/parties';
import { isNullable } from '../catalogue/reference';
import { pathsToSubject } from '../catalogue/subject-path';
import { archiveRuleOf, groundOf } from './archive/rule';
import { holderOf, keysToRowsOf } from './families';
import { type Review, Reviews } from './reviews';
import { detachable, sharedStep, stepsOf, withDetached } from './shared-rows';
import { type DetachStep, type OwnStep, removesRows, type Step, type Way } from './step';

export interface Graph {
  readonly root: Table;
  readonly steps: readonly Step[];
  readonly reviews: readonly Review[];
}

export type RootAction = 'erase' | 'delete' | 'anonymise' | 'archive';

export function graphBelow(catalogue: Catalogue, root: Table, rootAction: RootAction): Graph {
  return new GraphBuilder(catalogue, root).build(rootAction);
}

class GraphBuilder {
  private readonly own = new Map<number, OwnStep>();
  private readonly detached = new Map<number, DetachStep>();
  /** Ways by which rows of several people refer to what is deleted, beside those to their people. */
  private readonly references = new Map<number, Way[]>();
  /** Tables that were meant to lose their rows, also where these must stay now. */
  private readonly meant = new Set<number>();
  private readonly reviews: Reviews;

  constructor(
    private readonly catalogue: Catalogue,
    private readonly root: Table,
  ) {
    this.reviews = new Reviews(catalogue);
  }

  build(rootAction: RootAction): Graph {
    this.add(rootStep(this.root, rootAction));
    for (const table of this.catalogue.tables) this.addDeclared(table);
    // A pass turns a delete into an anonymisation or adds a way, never the other way round, so there is a last one.
    while (this.settle());
    for (const step of this.own.values()) this.detachFrom(step);
    const steps = [...[...this.own.values()].flatMap((step) => this.withShares(step)), ...this.detached.values()];
    this.reviews.ofSteps(steps, rootAction === 'delete' || rootAction === 'archive');
    for (const step of steps) this.reviews.ofHeirs(step);
    return { root: this.root, steps, reviews: this.reviews.all };
  }

  /** A declared table belongs here when its way to its subject leads through the root. */
  private addDeclared(table: Table): void {
    if (table.declaration?.is !== 'data' || table.oid === this.root.oid) return;
    const { onErase, retention } = table.declaration.spec;
    if (isOfSeveral(table) && onErase !== 'review' && onErase !== 'detach') {
      const step = sharedStep(this.catalogue, this.root, table, onErase);
      if (step) this.add(step);
      return;
    }
    const ways = this.waysBelow(table);
    if (ways.length === 0) return;
    if (onErase === 'review') this.reviews.ofDeclared(table);
    else if (onErase === 'detach') this.detached.set(table.oid, { table, action: 'detach', ways, unless: [] });
    else this.add({ table, ways, ...ownAction(table, onErase, retention?.because) });
  }

  private waysBelow(table: Table): Way[] {
    const above = new Set(this.catalogue.family(this.root).map(({ oid }) => oid));
    const paths = isOfSeveral(table) ? partiesOf(this.catalogue, table).map(({ path }) => path) : undefined;
    return (paths ?? pathsToSubject(this.catalogue, table)).flatMap(({ hops }) => {
      const end = hops.findIndex((hop) => above.has(hop.to));
      return end === -1 ? [] : [hops.slice(0, end + 1)];
    });
  }

  private add(step: OwnStep): void {
    this.own.set(step.table.oid, step);
    if (removesRows(step)) this.meant.add(step.table.oid);
  }

  private settle(): boolean {
    for (const step of this.own.values()) {
      if (step.action === 'keep') continue;
      for (const key of keysToRowsOf(this.catalogue, step.table)) if (this.settleReference(step, key)) return true;
    }
    return false;
  }

  /** A foreign key points at rows that leave or lose their person: what becomes of the rows that hold it? */
  private settleReference(parent: OwnStep, key: ForeignKey): boolean {
    const child = holderOf(this.catalogue, key);
    if (!child) return false;
    if (parent.shared) return this.settleShared(parent, child, key);
    if (!child.declaration) return this.settleUndeclared(parent, child, key);
    if (!removesRows(parent)) return false;
    return this.wouldDangle(parent, child, key) && this.anonymiseInstead(parent, child);
  }

  /** Whether rows stay that refer to what is deleted, and cannot do without. */
  private wouldDangle(parent: OwnStep, child: Table, key: ForeignKey): boolean {
    const step = this.own.get(child.oid);
    if (step?.shared) return step.action === 'keep' || detachable(this.catalogue, child, key).length === 0;
    if (step && !removesRows(step)) return true;
    if (isNullable(child, key)) return false;
    if (!step) return true;
    if (step.ways.some(([first]) => first === key)) return false;
    // A second way to the person (a recipient beside the sender) and a way to the same table (the answer to a message) are
    // how rows of others refer to hers. Between two tables of hers a reference is taken to be her own; the database checks it.
    return parent.table === this.root || child === parent.table;
  }

  /** Rows of several people leave one by one, when the last of them does: whatever else refers to them keeps them all. */
  private settleShared(parent: OwnStep, child: Table, key: ForeignKey): boolean {
    if (parent.action !== 'delete') return false;
    const step = this.own.get(child.oid);
    const leavesBefore = step && removesRows(step) && !step.shared && step.ways.some(([first]) => first === key);
    return !leavesBefore && this.anonymiseInstead(parent, child);
  }

  private settleUndeclared(parent: OwnStep, child: Table, key: ForeignKey): boolean {
    if (child === parent.table) return false;
    if (this.own.get(child.oid)?.action === 'anonymise') {
      return removesRows(parent) && this.anonymiseInstead(parent, child);
    }
    const cascades = key.onDelete === 'cascade' || (this.reviews.isDeclaredHarmless(child) && !isNullable(child, key));
    const goesAlong = cascades && this.meant.has(parent.table.oid) && !this.reviews.holdsPersonal(child);
    return goesAlong && this.addAlong(parent, child, key);
  }

  /** Deleted explicitly, so that it is counted, and not by a cascade (RUNTIME: two set operations for a trigger per row). */
  private addAlong(parent: OwnStep, child: Table, key: ForeignKey): boolean {
    const step = this.own.get(child.oid);
    const known = step?.ways ?? [];
    const ways = parent.ways.map((way): Way => [key, ...way]).filter((way) => !isCircle(way) && !includes(known, way));
    if (ways.length === 0) return false;
    const because = key.onDelete === 'cascade' ? 'cascades from its parent' : 'goes with its parent';
    this.add({ table: child, action: 'delete', because: step?.because ?? because, ways: [...known, ...ways] });
    return true;
  }

  private anonymiseInstead(parent: OwnStep, child: Table): boolean {
    if (parent.action === 'archive') {
      // anonymised, the rows would no longer be what the law has kept
      this.reviews.refuseArchived(parent.table, child);
      return false;
    }
    const because = `rows of ${child.displayName} that stay refer to it`;
    this.own.set(parent.table.oid, { ...parent, action: 'anonymise', because });
    return true;
  }

  /** What refers to these rows and has no step of its own by now: a reference to take away, or a question. */
  private detachFrom(parent: OwnStep): void {
    if (parent.action === 'keep') return;
    for (const key of keysToRowsOf(this.catalogue, parent.table)) {
      const child = holderOf(this.catalogue, key);
      if (!child || this.own.get(child.oid)?.ways.some(([first]) => first === key)) continue;
      if (this.isUnsettled(child, key)) this.reviews.refuse(child, parent.table);
      else if (removesRows(parent) && key.onDelete !== 'set default') this.detach(parent, child, key);
    }
  }

  /** Nobody declared the table, and neither its columns nor its foreign key say that it can do without the person. */
  private isUnsettled(child: Table, { onDelete }: ForeignKey): boolean {
    if (child.declaration || this.own.has(child.oid)) return false;
    if (this.reviews.holdsPersonal(child)) return true;
    if (this.reviews.isDeclaredHarmless(child)) return false;
    // PostgreSQL would take the reference away, and leave whatever else the row says
    return this.reviews.holdsUnknown(child) || (onDelete !== 'set null' && onDelete !== 'set default');
  }

  private withShares(step: OwnStep): Step[] {
    const isDeleted = (table: number): boolean => {
      const own = this.own.get(table);
      return own !== undefined && removesRows(own);
    };
    const further = this.references.get(step.table.oid) ?? [];
    return stepsOf(withDetached(this.catalogue, this.root, step, isDeleted, further));
  }

  private detach(parent: OwnStep, child: Table, key: ForeignKey): void {
    if (!isNullable(child, key)) return;
    if (this.own.get(child.oid)?.shared) {
      const ways = parent.ways.map((way): Way => [key, ...way]);
      this.references.set(child.oid, [...(this.references.get(child.oid) ?? []), ...ways]);
      return;
    }
    const known = this.detached.get(child.oid)?.ways ?? [];
    const ways = parent.ways.map((way): Way => [key, ...way]).filter((way) => !includes(known, way));
    const unless = this.own.get(child.oid)?.ways ?? [];
    this.detached.set(child.oid, { table: child, action: 'detach', ways: [...known, ...ways], unless });
  }
}

function rootStep(table: Table, action: RootAction): OwnStep {
  if (action === 'anonymise') return { table, action, ways: [[]] };
  const archive = action === 'archive' ? archiveRuleOf(table) : undefined;
  return archive
    ? { table, action: 'archive', ways: [[]], because: groundOf(archive) }
    : { table, action: 'delete', ways: [[]] };
}

function includes(ways: readonly Way[], wanted: Way): boolean {
  return ways.some((way) => way.length === wanted.length && way.every((key, i) => key === wanted[i]));
}

/** A way that comes back to a table it left would never end. */
function isCircle(way: Way): boolean {
  return new Set(way.map((key) => key.from)).size < way.length;
}

/** What is kept on its ground is kept in the archive, where the table has one. */
function ownAction(
  table: Table,
  onErase: 'delete' | 'anonymise' | 'keep',
  ground: string | undefined,
): Pick<OwnStep, 'action' | 'because'> {
  const archive = archiveRuleOf(table);
  if (onErase !== 'keep' || !archive) return { action: onErase, because: ground };
  return { action: 'archive', because: groundOf(archive) };
}
