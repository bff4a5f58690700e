/** What a human has to decide before anything is destroyed: the closed world of the declarations (POLICY.md P1). */
import { type Catalogue, isPersonal, type Table } from '../catalogue/model';
import { isKeyColumn } from '../catalogue/reference';
import { refusedTreatments } from './anonymise';
import { heirsOf } from './families';
import { type FiringTrigger, firingTriggers } from './firing';
import { removesRows, type Step } from './step';

/** Something that blocks a plan. */
export interface Review {
  readonly table: string;
  readonly reason: string;
}

export class Reviews {
  private readonly found = new Map<string, Review>();

  constructor(private readonly catalogue: Catalogue) {}

  get all(): Review[] {
    return [...this.found.values()];
  }

  /** A table that has to be declared before anything can be destroyed. */
  refuse(table: Table, parent: Table): void {
    const reason = this.holdsPersonal(table)
      ? `${table.displayName} has personal columns but was not declared as a table`
      : `${table.displayName} refers to ${parent.displayName} and nobody declared what becomes of it`;
    this.add(table, reason);
  }

  /** Rows that have to go to the archive, and rows that have to stay where they are and refer to them. */
  refuseArchived(table: Table, child: Table): void {
    this.add(table, `${table.displayName} goes to the archive, but rows of ${child.displayName} that stay refer to it`);
  }

  holdsPersonal(table: Table): boolean {
    return [...table.columns.values()].some((column) => isPersonal(column) || column.element !== undefined);
  }

  /** Nobody looked at one of its columns. */
  holdsUnknown(table: Table): boolean {
    return [...table.columns.values()].some(({ name, spec }) => spec === undefined && !this.isKeyColumn(table, name));
  }

  /** `onErase: 'review'`: whoever declared it left the decision open. */
  ofDeclared(table: Table): void {
    this.add(table, `${table.displayName} waits for a human to decide what becomes of its rows`);
  }

  /** Rows of a table that inherits leave or stay with those of the table above it, and with them what only they hold. */
  ofHeirs(step: Step): void {
    const { table } = step;
    for (const heir of heirsOf(this.catalogue, table)) {
      for (const { name, spec } of heir.columns.values()) {
        if (table.columns.has(name) || this.isKeyColumn(heir, name)) continue;
        const place = `${heir.displayName}.${name}`;
        if (!spec)
          this.add(heir, `${place} stands in rows of ${table.displayName}, and nobody said whether it is personal`);
        else if (!removesRows(step) && !('notPersonal' in spec))
          this.add(heir, `${place} is personal and stands in rows of ${table.displayName} that have to stay`);
      }
    }
  }

  /** Every column was looked at and said not to be personal: lines of an invoice, say. They leave with what they are part of. */
  isDeclaredHarmless(table: Table): boolean {
    const said = [...table.columns.values()].filter(({ name }) => !this.isKeyColumn(table, name));
    return said.length > 0 && said.every((column) => column.spec !== undefined && !isPersonal(column));
  }

  ofSteps(steps: readonly Step[], rootIsDeleted: boolean): void {
    const [root] = steps;
    if (root && rootIsDeleted && !removesRows(root)) {
      this.add(root.table, `${root.table.displayName} was to be deleted, but ${root.because}`);
    }
    for (const { table, action } of steps) if (action === 'anonymise') this.ofAnonymised(table);
    for (const { table } of steps) this.ofRules(table);
    const triggers = firingTriggers(this.catalogue, steps);
    if (triggers.length > 0) for (const step of steps) this.ofUnseen(step, triggers);
  }

  /** PostgreSQL does something else than it is told, and says of it what it was told. */
  private ofRules(table: Table): void {
    if (table.rules.length === 0) return;
    const names = table.rules.join(', ');
    this.add(
      table,
      `a rule of ${table.displayName} (${names}) decides what becomes of its rows: it has to be a trigger`,
    );
  }

  /** A row without a key is not found again after it was written. */
  private ofUnseen(step: Step, triggers: readonly FiringTrigger[]): void {
    const { table } = step;
    if (table.primaryKey.length > 0 || removesRows(step)) return;
    const names = triggers.map((trigger) => `${trigger.name} on ${trigger.table.displayName}`).join(', ');
    this.add(
      table,
      `${table.displayName} has no primary key, so that nobody could see what a trigger puts back (${names})`,
    );
  }

  /** Nobody can anonymise a row of which a column is unknown, or whose very name is personal. */
  private ofAnonymised(table: Table): void {
    for (const reason of refusedTreatments(this.catalogue, table)) this.add(table, reason);
    for (const column of table.columns.values()) {
      const isKey = this.isKeyColumn(table, column.name);
      const place = `${table.displayName}.${column.name}`;
      if (!column.spec && !isKey) this.add(table, `${place} is neither personal nor declared as not personal`);
      if (isPersonal(column) && this.isNameOf(table, column.name)) {
        this.add(table, `${place} is personal and names rows that have to stay`);
      }
    }
  }

  private add({ displayName }: Table, reason: string): void {
    this.found.set(reason, { table: displayName, reason });
  }

  private isNameOf(table: Table, column: string): boolean {
    const { declaration } = table;
    return table.primaryKey.includes(column) || (declaration?.is === 'subject' && declaration.column === column);
  }

  private isKeyColumn(table: Table, name: string): boolean {
    return table.primaryKey.includes(name) || this.catalogue.keysFrom(table).some((key) => isKeyColumn(key, name));
  }
}
