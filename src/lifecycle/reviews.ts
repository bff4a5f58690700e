/** What a human has to decide before anything is destroyed: the closed world of the declarations (POLICY.md P1). */
import { type Catalogue, isPersonal, type Table } from '../catalogue/model';
import { refusedTreatments } from './anonymise';
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
    return [...table.columns.values()].some(isPersonal);
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
    return table.primaryKey.includes(name) || this.catalogue.keysFrom(table).some((key) => key.columns.includes(name));
  }
}
