/**
 * pgcrypto, PostgreSQL's own extension: values are sealed and opened in SQL, and the key travels with each statement. The key is
 * 32 random bytes and needs no stretching, so `s2k-mode=1` leaves out the 65,536 hash rounds that are meant for passwords.
 */
import { randomBytes } from 'node:crypto';
import type { Knex } from 'knex';
import { type Person, SEALED } from '../people';
import { BATCH, type Store } from '../store';
import type { Peer } from './peer';

const OPTIONS = 'cipher-algo=aes256, s2k-mode=1';

export function pgcrypto(knex: Knex): Peer {
  return {
    name: 'pgcrypto',
    package: undefined,
    how: `\`pgp_sym_encrypt(…, '${OPTIONS}')\`, and \`hmac()\` of the lower-cased e-mail in a column of its own`,
    lacks:
      'One key for everybody, sent to the server with each statement: nothing to shred. No tie of a value to its row or column.',
    open: async () => {
      await knex.raw('create extension if not exists pgcrypto');
      await knex.schema.createTable('pgcrypto_people', (t) => {
        t.integer('id').primary();
        for (const column of SEALED) t.binary(column);
        t.text('locale');
        t.date('left_on');
        t.binary('email_index').unique();
      });
      return new PgcryptoStore(knex);
    },
  };
}

class PgcryptoStore implements Store {
  readonly table = 'pgcrypto_people';
  private readonly key = randomBytes(32).toString('hex');
  private readonly indexKey = randomBytes(32).toString('hex');
  private readonly columns: Knex.Raw[];

  constructor(private readonly knex: Knex) {
    this.columns = SEALED.map((column) => knex.raw('pgp_sym_decrypt(??, ?) as ??', [column, this.key, column]));
  }

  async insert(people: readonly Person[]): Promise<void> {
    await this.knex.batchInsert(
      this.table,
      people.map((person) => ({
        ...person,
        ...Object.fromEntries(SEALED.map((column) => [column, this.sealed(person[column])])),
        email_index: this.index(person.email),
      })),
      BATCH,
    );
  }

  async readAll(): Promise<Person[]> {
    return this.knex(this.table).select('id', 'locale', 'left_on', ...this.columns);
  }

  async find(email: string): Promise<Person[]> {
    return this.knex(this.table)
      .select('id', 'locale', 'left_on', ...this.columns)
      .where({ email_index: this.index(email) });
  }

  async updatePhone(id: number, phone: string): Promise<number> {
    return this.knex(this.table)
      .where({ id })
      .update({ phone: this.sealed(phone) });
  }

  private sealed(value: string): Knex.Raw {
    return this.knex.raw('pgp_sym_encrypt(?, ?, ?)', [value, this.key, OPTIONS]);
  }

  private index(email: string): Knex.Raw {
    return this.knex.raw("hmac(lower(?), ?, 'sha256')", [email, this.indexKey]);
  }
}
