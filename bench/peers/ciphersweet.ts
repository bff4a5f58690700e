/** `ciphersweet-js`: searchable encryption of rows, with the fast hash for its blind index (its default takes Argon2 for each). */
import { randomBytes } from 'node:crypto';
import {
  BlindIndex,
  BoringCrypto,
  CipherSweet,
  EncryptedField,
  EncryptedRow,
  Lowercase,
  StringProvider,
} from 'ciphersweet-js';
import type { Knex } from 'knex';
import { type Person, SEALED } from '../people';
import type { Peer } from './peer';
import { type RowSealer, type SealedRow, SealedRowStore } from './sealed-rows';

const TABLE = 'ciphersweet_people';
const INDEX_BITS = 128;

export function ciphersweet(knex: Knex): Peer {
  return {
    name: 'ciphersweet',
    package: 'ciphersweet-js',
    how: '`EncryptedRow` on BoringCrypto with a 128-bit fast `BlindIndex` of the lower-cased e-mail, without sodium-native',
    lacks: 'One key for each column and none for a person: nothing to shred. Opens row by row in the application.',
    open: () => SealedRowStore.open(knex, TABLE, new CiphersweetSealer()),
  };
}

class CiphersweetSealer implements RowSealer {
  private readonly engine = new CipherSweet(new StringProvider(randomBytes(32).toString('hex')), new BoringCrypto());
  private readonly row = new EncryptedRow(this.engine, TABLE);
  private readonly email = new EncryptedField(this.engine, TABLE, 'email');
  private readonly phone = new EncryptedField(this.engine, TABLE, 'phone');

  constructor() {
    for (const column of SEALED) this.row.addTextField(column);
    const index = new BlindIndex('email_index', [new Lowercase()], INDEX_BITS, true);
    this.row.addBlindIndex('email', index);
    this.email.addBlindIndex(index);
  }

  async seal(person: Person): Promise<SealedRow> {
    const [sealed, { email_index }] = await this.row.prepareRowForStorage(person);
    return { ...sealed, email_index: text(email_index) };
  }

  async open({ email_index, ...row }: SealedRow): Promise<Person> {
    return (await this.row.decryptRow(row as never)) as unknown as Person;
  }

  sealPhone(phone: string): Promise<string> {
    return this.phone.encryptValue(phone);
  }

  async index(email: string): Promise<string> {
    return text(await this.email.getBlindIndex(email, 'email_index'));
  }
}

/** A blind index is a string, or an object with one, as typed indexes are asked for or not. */
function text(index: unknown): string {
  return typeof index === 'string' ? index : (index as { value: string }).value;
}
