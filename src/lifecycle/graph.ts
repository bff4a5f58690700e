/**
 * What an end does to each table, decided from the declarations and the real foreign keys (ERASURE.md G1, G2). Pure: no row
 * is read. The root is a table of subjects, or a table whose rows end by a rule of their own; below it everything that
 * belongs to its rows is deleted, anonymised, kept or detached, and what nobody declared blocks.
 */
import { type Catalogue, type ForeignKey, isPersonal, type Table } from '../catalogue/model';
import { pathToSubject } from '../catalogue/subject-path';

export type Action = 'delete' | 'anonymise' | 'keep' | 'detach';

/** One table, one thing done to those of its rows that hang on the root. */
export interface Step {
  readonly table: Table;
  readonly action: Action;
  /** From the table up to the root; empty for the root itself. */
  readonly hops: readonly ForeignKey[];
  /** Why it is this and not what was declared, or the ground for keeping. */
  readonly because?: string | undefined;
}

/** Something a human has to decide before anything is destroyed. */
export interface Review {
  readonly table: string;
  readonly reason: string;
}

export interface Graph {
  readonly root: Table;
  readonly steps: readonly Step[];
  readonly reviews: readonly Review[];
}

export type RootAction = 'erase' | 'delete' | 'anonymise';

export function graphBelow(catalogue: Catalogue, root: Table, rootAction: RootAction): Graph {
  return new GraphBuilder(catalogue, root).build(rootAction);
}

class GraphBuilder {
  private readonly steps = new Map<number, Step>();
  private readonly reviews: Review[] = [];

  constructor(
    private readonly catalogue: Catalogue,
    private readonly root: Table,
  ) {}

  build(rootAction: RootAction): Graph {
    this.steps.set(this.root.oid, {
      table: this.root,
      action: rootAction === 'anonymise' ? 'anonymise' : 'delete',
      hops: [],
    });
    for (const table of this.catalogue.tables) this.addDeclared(table);
    while (this.settle()) {
      // each pass may turn one delete into an anonymisation, or find one table more, until nothing changes
    }
    this.refuseForcedRoot(rootAction);
    this.reviewUndeclaredColumns();
    return { root: this.root, steps: [...this.steps.values()], reviews: this.reviews };
  }

  /** A declared table belongs here when its way to its subject leads through the root. */
  private addDeclared(table: Table): void {
    if (table.declaration?.is !== 'data' || table.oid === this.root.oid) return;
    const { hops } = pathToSubject(this.catalogue, table);
    const end = hops.findIndex((hop) => hop.to === this.root.oid);
    if (end === -1) return;
    const { onErase, retention } = table.declaration.spec;
    this.steps.set(table.oid, { table, action: onErase, hops: hops.slice(0, end + 1), because: retention?.because });
  }

  private settle(): boolean {
    for (const step of this.steps.values()) {
      if (step.action !== 'delete') continue;
      for (const key of this.catalogue.keysTo(step.table)) if (this.settleReference(step, key)) return true;
    }
    return false;
  }

  /** A foreign key points at rows that are to be deleted: what becomes of the rows that hold it? */
  private settleReference(parent: Step, key: ForeignKey): boolean {
    const child = this.catalogue.table(key.from);
    if (!child) return false;
    const step = this.steps.get(child.oid);
    if (step?.action === 'delete' && child.oid !== parent.table.oid) return false;
    if (step && step.action !== 'delete') return step.action !== 'detach' && this.anonymiseInstead(parent, child);
    if (this.isUndeclared(child)) return this.addUndeclared(parent, child, key);
    return this.addReference(parent, child, key);
  }

  /** Rows of other people, or of the same table, that only refer to a person: the reference goes, the rows stay. */
  private addReference(parent: Step, child: Table, key: ForeignKey): boolean {
    const nullable = key.columns.some((name) => child.columns.get(name)?.notNull === false);
    if (!nullable) return this.anonymiseInstead(parent, child);
    if (child.oid === parent.table.oid) return this.detachWithin(parent, key);
    this.steps.set(child.oid, { table: child, action: 'detach', hops: [key, ...parent.hops] });
    return true;
  }

  /** A self-reference cannot be detached in the statement that deletes the row it stands in: a table is touched once. */
  private detachWithin(parent: Step, key: ForeignKey): boolean {
    if (key.onDelete === 'set null') return false;
    return this.anonymiseInstead(parent, parent.table);
  }

  private addUndeclared(parent: Step, child: Table, key: ForeignKey): boolean {
    if (this.reviews.some((review) => review.table === child.name)) return false;
    if (key.onDelete === 'set null' || key.onDelete === 'set default') return false;
    if (key.onDelete !== 'cascade') {
      this.reviews.push({
        table: child.name,
        reason: `${child.name} refers to ${parent.table.name} and nobody declared what becomes of it`,
      });
      return false;
    }
    // Deleted explicitly, so that it is counted, and not by the cascade (RUNTIME: two set operations instead of a trigger a row).
    this.steps.set(child.oid, {
      table: child,
      action: 'delete',
      hops: [key, ...parent.hops],
      because: 'cascades from its parent',
    });
    return true;
  }

  private isUndeclared(table: Table): boolean {
    if (table.declaration) return false;
    if ([...table.columns.values()].some(isPersonal)) {
      const reason = `${table.name} has personal columns but was not declared as a table`;
      if (!this.reviews.some((review) => review.reason === reason)) this.reviews.push({ table: table.name, reason });
    }
    return true;
  }

  private anonymiseInstead(parent: Step, child: Table): boolean {
    this.steps.set(parent.table.oid, {
      ...parent,
      action: 'anonymise',
      because: `rows of ${child.name} that stay refer to it`,
    });
    return true;
  }

  private refuseForcedRoot(rootAction: RootAction): void {
    const step = this.steps.get(this.root.oid);
    if (rootAction !== 'delete' || step?.action !== 'anonymise') return;
    this.reviews.push({ table: this.root.name, reason: `${this.root.name} was to be deleted, but ${step.because}` });
  }

  /** Closed world (P1): nobody can anonymise a row of which a column is unknown. */
  private reviewUndeclaredColumns(): void {
    for (const { table, action } of this.steps.values()) {
      if (action !== 'anonymise') continue;
      const silent = [...table.columns.values()].filter(
        (column) => !column.spec && !this.isKeyColumn(table, column.name),
      );
      for (const { name } of silent) {
        this.reviews.push({
          table: table.name,
          reason: `${table.name}.${name} is neither personal nor declared as not personal`,
        });
      }
    }
  }

  private isKeyColumn(table: Table, name: string): boolean {
    return table.primaryKey.includes(name) || this.catalogue.keysFrom(table).some((key) => key.columns.includes(name));
  }
}
