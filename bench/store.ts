/** A table of people and a way to use it: plain Knex, a protected instance, or a peer. The works are the same for all. */
import type { Knex } from 'knex';
import type { Person } from './people';

export const BATCH = 500;

export interface Store {
  /** The table, for what is done to it between the rounds. */
  readonly table: string;
  insert(people: readonly Person[]): Promise<void>;
  /** Everybody with all columns, as they were written. */
  readAll(): Promise<Person[]>;
  find(email: string): Promise<Person[]>;
  /** @returns how many rows were updated */
  updatePhone(id: number, phone: string): Promise<number>;
}

/** What an application writes with Knex and nothing besides; also through a protected instance. */
export class KnexStore implements Store {
  constructor(
    private readonly knex: Knex,
    readonly table: string,
  ) {}

  async insert(people: readonly Person[]): Promise<void> {
    await this.knex.batchInsert(this.table, people as Person[], BATCH);
  }

  async readAll(): Promise<Person[]> {
    return this.knex(this.table).select();
  }

  async find(email: string): Promise<Person[]> {
    return this.knex(this.table).where({ email });
  }

  async updatePhone(id: number, phone: string): Promise<number> {
    return this.knex(this.table).where({ id }).update({ phone });
  }
}
