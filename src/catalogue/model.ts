/**
 * The catalogue in memory: what the database says is personal, as of one moment. Read by the seam at compile time and by
 * the life cycle when it plans. It holds names and declarations, never data.
 */
import type { SettledPersonalSpec } from './check-personal';
import type { SettledSubjectSpec, SettledTableSpec } from './check-table';
import type { DeclaredLimits } from './declared-limits';
import type { NotPersonalSpec } from './spec';
import type { TeamTrigger } from './team-trigger';

export type ColumnSpec = SettledPersonalSpec | NotPersonalSpec;

/** A column of a compound index beside the one that carries it, and what counts as equal there. */
export interface CompoundMember {
  readonly column: string;
  readonly as: string;
}

/** How a text is found by its beginning or its words. */
export interface ElementTokens {
  readonly as: string;
  readonly prefix?: { readonly min: number; readonly max: number } | undefined;
  readonly words?: boolean | undefined;
}

/** What a protected column's domain stands for: the logical identity that is written into every sealed value. */
export interface Element {
  readonly id: number;
  /** OID of the PostgreSQL domain; what Parse + Describe answers for a parameter. */
  readonly domainOid: number;
  readonly domainArrayOid: number;
  /** `users.email`: how the element is named in errors and logs. */
  readonly label: string;
  readonly protect: 'encrypt' | 'pseudonymise' | 'truncate-ip';
  readonly codec: string;
  /** OID of the type the column was declared with; its `pg` type parser makes the value that the application sees. */
  readonly declaredOid: number;
  readonly limits: DeclaredLimits;
  readonly normaliser: string | undefined;
  /** The search group: its elements share an index key. */
  readonly group: string | undefined;
  /** The other columns of its compound index, which stands in this element's values. */
  readonly compound: readonly CompoundMember[] | undefined;
  /** The search tokens that stand in its values. */
  readonly tokens: ElementTokens | undefined;
  readonly padding: string;
  /** The most bytes that a value may have before it is sealed. */
  readonly maxBytes: number;
  readonly v4: number | undefined;
  readonly v6: number | undefined;
  readonly state: 'sealed' | 'transition';
}

export interface Column {
  readonly name: string;
  readonly position: number;
  readonly type: string;
  readonly notNull: boolean;
  /** SQL text of the default, or of the sequence behind an identity column. */
  readonly defaultSql: string | undefined;
  readonly identityAlways: boolean;
  /** Of a generated column: the columns it is computed from. Nobody can write it. */
  readonly generatedFrom?: readonly string[] | undefined;
  readonly element: Element | undefined;
  readonly spec: ColumnSpec | undefined;
}

/** How a table was declared: as the table of a kind of subjects, or as one whose rows belong to a subject. */
export type Declaration =
  | { readonly is: 'subject'; readonly kind: string; readonly column: string; readonly spec: SettledSubjectSpec }
  | { readonly is: 'data'; readonly spec: SettledTableSpec };

export interface Table {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** `"public"."users"`: the same table whatever the search path. */
  readonly sqlName: string;
  /** `users`, or `billing.invoices` outside of `public`: for plans, receipts and errors. */
  readonly displayName: string;
  /** Whether the guard that refuses dead keys and query operands stands on what is written (`migrations/004_guard.sql`). */
  readonly guarded: boolean;
  /** A view, materialised or not: what a column of it holds may be any expression. */
  readonly isView: boolean;
  /** Whether it stands in an intermediate archive, which queries do not read. */
  readonly isArchive?: boolean;
  readonly columns: ReadonlyMap<string, Column>;
  readonly primaryKey: readonly string[];
  /** OIDs of the tables that it is a partition of, or inherits from: its rows are rows of theirs. */
  readonly parents: readonly number[];
  /** Whether it is a partition, and so has no columns of its own. */
  readonly isPartition: boolean;
  /** Triggers of the team's that fire when rows of it are deleted or updated: they may keep them, and write elsewhere. */
  readonly triggers: readonly TeamTrigger[];
  /** Names of the team's rules by which PostgreSQL does something else than the DELETE or UPDATE it was told, or something more. */
  readonly rules: readonly string[];
  readonly declaration: Declaration | undefined;
}

/** What a migration said of a reference, where PostgreSQL has no foreign key for it (ERASURE.md G1). */
export interface DeclaredReference {
  /** SQL of each referring value around `%s`, which stands for its column: the expression that the index is over. */
  readonly forms: readonly string[];
  /** Columns, and the value that each has in a row which refers to this table and not to another one. */
  readonly when: readonly (readonly [column: string, value: string])[];
  /** Whether the value stands inside of the column, which is JSON, and where. */
  readonly path: readonly string[] | undefined;
}

/** The form of a value whose type cannot be compared with what it refers to. */
export const INCOMPARABLE = '';

/** A foreign key, or what a migration declared to be as good as one. */
export interface ForeignKey {
  /** OID of the constraint; below 16384 where it was declared. */
  readonly id: number;
  readonly name: string;
  /** OID of the referencing table and of the referenced one. */
  readonly from: number;
  readonly to: number;
  readonly columns: readonly string[];
  readonly references: readonly string[];
  readonly onDelete: 'no action' | 'restrict' | 'cascade' | 'set null' | 'set default';
  readonly declared?: DeclaredReference | undefined;
}

/** Columns of a table of which no two rows may be equal: a unique index over plain columns. */
export interface UniqueKey {
  /** OID of the table. */
  readonly of: number;
  readonly columns: readonly string[];
  /** Whether rows with a NULL in it are equal to no other, as unless said otherwise they are. */
  readonly nullsDistinct: boolean;
}

/** Everything the database declares, indexed for look-up. Immutable: a change of schema loads a new one. */
export class Catalogue {
  private readonly byName = new Map<string, Table[]>();
  private readonly byOid = new Map<number, Table>();
  /** Made when they are asked for: most tables' fields never are. */
  private readonly byPosition = new Map<number, ReadonlyMap<number, Column>>();
  private readonly byDomain = new Map<number, Element>();
  private readonly byDomainArray = new Map<number, Element>();
  private readonly byElement = new Map<number, Element>();
  private readonly byParent = new Map<number, Table[]>();

  constructor(
    readonly instance: Uint8Array,
    readonly tables: readonly Table[],
    readonly foreignKeys: readonly ForeignKey[],
    elements: readonly Element[],
    readonly uniqueKeys: readonly UniqueKey[] = [],
  ) {
    for (const table of tables) {
      this.byOid.set(table.oid, table);
      this.byName.set(table.name, [...(this.byName.get(table.name) ?? []), table]);
      for (const parent of table.parents) this.byParent.set(parent, [...(this.byParent.get(parent) ?? []), table]);
    }
    for (const element of elements) {
      this.byDomain.set(element.domainOid, element);
      this.byDomainArray.set(element.domainArrayOid, element);
      this.byElement.set(element.id, element);
    }
  }

  get isEmpty(): boolean {
    return this.byDomain.size === 0;
  }

  /** Every table of that name; more than one where two schemas hold it. */
  named(name: string, schema?: string): readonly Table[] {
    const found = this.byName.get(name) ?? [];
    return schema === undefined ? found : found.filter((table) => table.schema === schema);
  }

  table(oid: number): Table | undefined {
    return this.byOid.get(oid);
  }

  element(id: number): Element | undefined {
    return this.byElement.get(id);
  }

  elementLabelled(label: string): Element | undefined {
    return [...this.byElement.values()].find((element) => element.label === label);
  }

  /** The element a parameter or a result column of this type OID belongs to. */
  elementOfDomain(oid: number): Element | undefined {
    return this.byDomain.get(oid);
  }

  /** The element whose arrays have this type OID, as in `= any($1)`. */
  elementOfDomainArray(oid: number): Element | undefined {
    return this.byDomainArray.get(oid);
  }

  /** The column a result field came from, by RowDescription's table OID and attribute number. */
  columnOfField(tableOid: number, position: number): Column | undefined {
    let columns = this.byPosition.get(tableOid);
    if (!columns) {
      const table = this.byOid.get(tableOid);
      if (!table) return undefined;
      columns = new Map([...table.columns.values()].map((column) => [column.position, column]));
      this.byPosition.set(tableOid, columns);
    }
    return columns.get(position);
  }

  subjectTable(kind: string): Table | undefined {
    return this.tables.find((table) => table.declaration?.is === 'subject' && table.declaration.kind === kind);
  }

  get subjectKinds(): string[] {
    return this.tables.flatMap((t) => (t.declaration?.is === 'subject' ? [t.declaration.kind] : []));
  }

  keysFrom(table: Table): ForeignKey[] {
    return this.foreignKeys.filter((key) => key.from === table.oid);
  }

  uniqueKeysOf(table: Table): UniqueKey[] {
    return this.uniqueKeys.filter((key) => key.of === table.oid);
  }

  keysTo(table: Table): ForeignKey[] {
    return this.foreignKeys.filter((key) => key.to === table.oid);
  }

  /** A table with its partitions and with what inherits from it, at any depth. */
  family(table: Table): readonly Table[] {
    const below = this.byParent.get(table.oid) ?? [];
    return below.length === 0 ? [table] : [...new Set([table, ...below.flatMap((each) => this.family(each))])];
  }
}

/** Whether values of its rows are made under somebody's key. */
export function needsKey(table: Table): boolean {
  return [...table.columns.values()].some(({ element }) => element && element.protect !== 'truncate-ip');
}

export function isPersonal(column: Column): boolean {
  return column.spec !== undefined && !('notPersonal' in column.spec);
}

/** Table and column of a label such as `users.email` or `billing.invoices.address`, for errors. */
export function namesOfLabel(label: string): { table: string | undefined; column: string | undefined } {
  const [table, column] = label.split('.').slice(-2);
  return { table, column };
}
