/**
 * Schemas of tables that nobody thought of: foreign keys of every kind between a table of people and what hangs on it, made from a
 * seed, with several people in them. Each row says whose it is in each of its personal columns, so that what became of
 * whom can be read from the stored rows alone.
 */
import type { Knex } from 'knex';
import { annotate } from '../../src';

/** Mulberry32 (public domain, Tommy Ettinger): the same numbers for the same seed, on every machine. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type OnDelete = 'no action' | 'restrict' | 'cascade' | 'set null';

interface Key {
  readonly column: string;
  readonly to: number;
  readonly nullable: boolean;
  readonly onDelete: OnDelete;
  /** Leads to a table that comes later, or to its own: filled when all rows are there. */
  readonly late: boolean;
}

interface RandomTable {
  readonly name: string;
  /** Two columns name a row: whose it is, and which. */
  readonly composite: boolean;
  readonly keys: readonly Key[];
  /** Rows are also about another person, whom `other_id` names, with a column that is hers. */
  readonly shared: boolean;
  /** The personal column takes no NULL. */
  readonly full: boolean;
}

/** Rows of one person have numbers of their own, and names of others' rows are never guessed. */
const SPAN = 100;

export class RandomGraph {
  readonly kind: string;
  private readonly random: () => number;
  private readonly tables: RandomTable[];

  constructor(
    readonly seed: number,
    readonly people: number,
  ) {
    this.kind = `person_${seed}`;
    this.random = seeded(seed);
    const count = 3 + this.below(6);
    this.tables = Array.from({ length: count }, (_, place) => this.table(place, count));
  }

  get names(): string[] {
    return this.tables.map(({ name }) => name);
  }

  /** What stands in the personal columns of a person's rows. */
  mark(person: number): string {
    return `<${this.seed}/${person}>`;
  }

  idOf(person: number): number {
    return person * SPAN;
  }

  async create(knex: Knex): Promise<void> {
    for (const table of this.tables) await knex.raw(this.createTable(table));
    for (const table of this.tables) for (const key of table.keys) await knex.raw(this.foreignKey(table, key));
    for (const [place, table] of this.tables.entries()) await this.declare(knex, table, place);
  }

  async fill(db: Knex): Promise<void> {
    const late: [string, Record<string, unknown>, Record<string, unknown>][] = [];
    for (const table of this.tables) {
      for (let person = 1; person <= this.people; person++) {
        const rows = table === this.tables[0] ? 1 : 1 + this.below(3);
        for (let row = 0; row < rows; row++) late.push(await this.insert(db, table, person, row));
      }
    }
    for (const [name, where, set] of late) if (Object.keys(set).length > 0) await db(name).where(where).update(set);
  }

  private table(place: number, count: number): RandomTable {
    const name = `g${this.seed}_t${place}`;
    const root = place === 0;
    const keys: Key[] = [];
    for (let n = 0; !root && n < 1 + this.below(2); n++) keys.push(this.key(`up${n}`, this.below(place), false));
    if (this.chance(0.25)) keys.push(this.key('self', place, true));
    if (place < count - 1 && this.chance(0.3))
      keys.push(this.key('down', place + 1 + this.below(count - 1 - place), true));
    const reaches = keys.some(({ to, late }) => !late && to === 0);
    return {
      name,
      composite: !root && this.chance(0.3),
      keys,
      shared: reaches && this.chance(0.4),
      full: this.chance(0.3),
    };
  }

  private key(column: string, to: number, late: boolean): Key {
    const nullable = late || this.chance(0.4);
    const actions: OnDelete[] = ['no action', 'restrict', 'cascade', ...(nullable ? (['set null'] as const) : [])];
    return { column, to, late, nullable, onDelete: actions[this.below(actions.length)] as OnDelete };
  }

  private createTable(table: RandomTable): string {
    const own = table.composite ? ['a int', 'b int', 'primary key (a, b)'] : ['id int primary key'];
    const refers = table.keys.flatMap(({ column, to, nullable }) => {
      const columns = (this.tables[to] as RandomTable).composite ? [`${column}_a`, `${column}_b`] : [column];
      return columns.map((each) => `${each} int${nullable ? '' : ' not null'}`);
    });
    const root = this.tables[0] as RandomTable;
    const shared = table.shared ? [`other_id int not null references ${root.name}`, 'reply text'] : [];
    const columns = [...own, ...refers, ...shared, `body text${table.full ? ' not null' : ''}`, 'fact int'];
    const index = table.shared ? `; create index on ${table.name} (other_id)` : '';
    return `create table ${table.name} (${columns.join(', ')})${index}`;
  }

  private foreignKey(table: RandomTable, { column, to, onDelete }: Key): string {
    const parent = this.tables[to] as RandomTable;
    const columns = parent.composite ? `${column}_a, ${column}_b` : column;
    const referred = parent.composite ? 'a, b' : 'id';
    const own = `alter table ${table.name} add foreign key (${columns}) references ${parent.name} (${referred}) on delete ${onDelete}`;
    return `${own}; create index on ${table.name} (${columns})`;
  }

  private async declare(knex: Knex, table: RandomTable, place: number): Promise<void> {
    const serve = { purpose: 'provide the service', basis: 'contract' } as const;
    const clear = { category: 'activity.content', protect: 'clear', because: 'a test reads it' } as const;
    const columns = {
      body: clear,
      ...(table.shared ? { reply: { ...clear, subject: { via: 'other_id' } } } : {}),
      fact: { notPersonal: 'a number' },
    };
    if (place === 0) {
      const retention = { from: { event: 'service_ended' }, keep: '1 month', then: 'erase' } as const;
      await annotate(knex, table.name, { subject: { kind: this.kind, ...serve, retention }, columns });
    } else {
      const [first] = table.keys as [Key];
      const via = (this.tables[first.to] as RandomTable).composite ? `${first.column}_a` : first.column;
      const subject = { subject: { via } };
      await annotate(knex, table.name, { data: { ...serve, ...subject }, columns });
    }
  }

  private async insert(
    db: Knex,
    table: RandomTable,
    person: number,
    row: number,
  ): Promise<[string, Record<string, unknown>, Record<string, unknown>]> {
    const where = nameOf(table, person, row);
    const values: Record<string, unknown> = { ...where, body: `${this.mark(person)} wrote`, fact: person * SPAN + row };
    const later: Record<string, unknown> = {};
    for (const key of table.keys) {
      const parent = this.tables[key.to] as RandomTable;
      const found = nameOf(parent, person, 0);
      const refers = parent.composite
        ? { [`${key.column}_a`]: found.a, [`${key.column}_b`]: found.b }
        : { [key.column]: found.id };
      // a way that leads straight to her is always there: without it the row would be nobody's
      if (key.late) Object.assign(later, this.chance(0.8) ? refers : {});
      else if (!key.nullable || key.to === 0 || key.column === 'up0' || this.chance(0.7)) Object.assign(values, refers);
    }
    if (table.shared) {
      const other = 1 + ((person + row) % this.people);
      Object.assign(values, { other_id: this.idOf(other), reply: `${this.mark(other)} answered` });
    }
    await db(table.name).insert(values);
    return [table.name, where, later];
  }

  private below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  private chance(share: number): boolean {
    return this.random() < share;
  }
}

function nameOf(table: RandomTable, person: number, row: number): Record<string, number> {
  return table.composite ? { a: person, b: row } : { id: person * SPAN + row };
}
