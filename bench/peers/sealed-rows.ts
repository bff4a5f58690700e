/** What peers have in common that seal in the application: text columns, and one more by which the e-mail is found. */
import type { Knex } from 'knex';
import { type Person, SEALED } from '../people';
import { BATCH, type Store } from '../store';

/** A person as such a peer stores her. */
export interface SealedRow extends Person {
  email_index: string;
}

export interface RowSealer {
  seal(person: Person): Promise<SealedRow>;
  open(row: SealedRow): Promise<Person>;
  sealPhone(phone: string): Promise<string>;
  index(email: string): Promise<string>;
}

export class SealedRowStore implements Store {
  private constructor(
    private readonly knex: Knex,
    readonly table: string,
    private readonly sealer: RowSealer,
  ) {}

  static async open(knex: Knex, table: string, sealer: RowSealer): Promise<Store> {
    await knex.schema.createTable(table, (t) => {
      t.integer('id').primary();
      for (const column of SEALED) t.text(column);
      t.text('locale');
      t.date('left_on');
      t.text('email_index').unique();
    });
    return new SealedRowStore(knex, table, sealer);
  }

  async insert(people: readonly Person[]): Promise<void> {
    const rows: SealedRow[] = [];
    for (const person of people) rows.push(await this.sealer.seal(person));
    await this.knex.batchInsert(this.table, rows, BATCH);
  }

  async readAll(): Promise<Person[]> {
    return this.opened(await this.knex(this.table).select());
  }

  async find(email: string): Promise<Person[]> {
    const email_index = await this.sealer.index(email);
    return this.opened(await this.knex(this.table).where({ email_index }));
  }

  async updatePhone(id: number, phone: string): Promise<number> {
    return this.knex(this.table)
      .where({ id })
      .update({ phone: await this.sealer.sealPhone(phone) });
  }

  private async opened(rows: SealedRow[]): Promise<Person[]> {
    const people: Person[] = [];
    for (const row of rows) people.push(await this.sealer.open(row));
    return people;
  }
}
