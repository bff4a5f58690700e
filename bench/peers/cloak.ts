/**
 * `@47ng/cloak`: AES-256-GCM over strings, the core of prisma-field-encryption, whose way to search is taken too: a salted SHA-256
 * of the value in a column beside it.
 */
import { createHash, randomBytes } from 'node:crypto';
import { decryptStringSync, encryptStringSync, generateKey, parseKeySync } from '@47ng/cloak';
import type { Knex } from 'knex';
import { type Person, SEALED } from '../people';
import type { Peer } from './peer';
import { type RowSealer, type SealedRow, SealedRowStore } from './sealed-rows';

export function cloak(knex: Knex): Peer {
  return {
    name: 'cloak',
    package: '@47ng/cloak',
    how: '`encryptStringSync` and `decryptStringSync` under one parsed key; look-up by a salted SHA-256, as prisma-field-encryption has it',
    lacks: 'One key for everybody: nothing to shred. No tie of a value to its row or column. No search of its own.',
    open: () => SealedRowStore.open(knex, 'cloak_people', new CloakSealer()),
  };
}

class CloakSealer implements RowSealer {
  private readonly key = parseKeySync(generateKey());
  private readonly salt = randomBytes(16);

  async seal(person: Person): Promise<SealedRow> {
    const sealed = Object.fromEntries(SEALED.map((column) => [column, encryptStringSync(person[column], this.key)]));
    return { ...person, ...sealed, email_index: await this.index(person.email) };
  }

  async open({ email_index, ...row }: SealedRow): Promise<Person> {
    const opened = Object.fromEntries(
      SEALED.map((column) => [column, decryptStringSync(String(row[column]), this.key)]),
    );
    return { ...row, ...opened } as Person;
  }

  async sealPhone(phone: string): Promise<string> {
    return encryptStringSync(phone, this.key);
  }

  async index(email: string): Promise<string> {
    return createHash('sha256').update(this.salt).update(email.toLowerCase()).digest('hex');
  }
}
