/** A service whose invoices the law has kept in an intermediate archive, and whose orders go there after three years. */
import knexPackage, { type Knex } from 'knex';
import { install, installArchive, SCHEMA_VERSION } from '../../src';
import { createDatabase, testServerUrl } from './postgres';

export async function migrateArchive(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('users', (t) => {
    t.increments('id');
    t.text('name').personal({ category: 'identity.name', protect: 'encrypt' });
    t.date('service_ended_on').notPersonal('the event that starts the clock');
    t.dataSubject('user', {
      purpose: 'provide the service',
      basis: 'contract',
      retention: { from: 'service_ended_on', keep: '6 months', then: 'erase' },
    });
  });
  await knex.schema.createTable('invoices', (t) => {
    t.increments('id');
    t.integer('user_id').notNullable().references('users.id').index();
    t.text('billed_to').personal({ category: 'contact.address', protect: 'encrypt' });
    t.text('remark').personal({ category: 'activity.content', protect: 'encrypt' });
    t.text('reference').personal({ category: 'account.id', protect: 'clear', because: 'printed on the envelope' });
    t.decimal('total').notPersonal('an amount');
    t.date('issued_on').notPersonal('the fiscal date');
    t.personalData({
      purpose: 'invoicing',
      basis: 'legal_obligation',
      retention: {
        from: 'issued_on',
        keep: '10 years',
        then: 'delete',
        archive: { columns: ['billed_to', 'reference', 'total', 'issued_on'] },
        because: 'Code de commerce L123-22',
      },
    });
  });
  await knex.schema.createTable('invoice_lines', (t) => {
    t.increments('id');
    t.integer('invoice_id').notNullable().references('invoices.id').index();
    t.text('article').notPersonal('what was sold');
  });
  await knex.schema.createTable('orders', (t) => {
    t.increments('id');
    t.integer('user_id').notNullable().references('users.id').index();
    t.text('delivered_to').personal({ category: 'contact.address', protect: 'encrypt' });
    t.date('ordered_on').notPersonal('the date of the contract');
    t.personalData({
      purpose: 'selling',
      basis: 'contract',
      retention: {
        from: 'ordered_on',
        keep: '3 years',
        then: 'archive',
        archive: {
          keep: '10 years',
          then: 'delete',
          columns: ['delivered_to', 'ordered_on'],
          because: 'Code de la consommation L213-1',
        },
      },
    });
  });
}

export interface Customer {
  readonly id: number;
  readonly name: string;
  readonly street: string;
}

/** Somebody with two invoices, one of which has a line, and two orders, one of them old. */
export async function addCustomer(db: Knex, name: string): Promise<Customer> {
  const [user] = await db('users').insert({ name }).returning('id');
  const id = Number(user?.id);
  const street = `12 rue de ${name}`;
  const [first] = await db('invoices')
    .insert([
      {
        user_id: id,
        billed_to: street,
        remark: `${name} pays late`,
        reference: `ref-${name}`,
        total: 12.5,
        issued_on: '2024-01-31',
      },
      { user_id: id, billed_to: street, remark: null, reference: null, total: 99.99, issued_on: '2025-06-30' },
    ])
    .returning('id');
  await db('invoice_lines').insert({ invoice_id: first?.id, article: 'soap' });
  await db('orders').insert([
    { user_id: id, delivered_to: street, ordered_on: '2022-05-04' },
    { user_id: id, delivered_to: `${street} bis`, ordered_on: '2026-01-02' },
  ]);
  return { id, name, street };
}

/** The same service, whose invoices go to another database. */
export async function migrateElsewhere(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('users', (t) => {
    t.increments('id');
    t.text('name').personal({ category: 'identity.name', protect: 'encrypt' });
    t.date('service_ended_on').notPersonal('the event that starts the clock');
    t.dataSubject('user', {
      purpose: 'provide the service',
      basis: 'contract',
      retention: { from: 'service_ended_on', keep: '6 months', then: 'erase' },
    });
  });
  await knex.schema.createTable('invoices', (t) => {
    t.increments('id');
    t.integer('user_id').notNullable().references('users.id').index();
    t.text('billed_to').personal({ category: 'contact.address', protect: 'encrypt' });
    t.date('issued_on').notPersonal('the fiscal date');
    t.personalData({
      purpose: 'invoicing',
      basis: 'legal_obligation',
      retention: {
        from: 'issued_on',
        keep: '10 years',
        then: 'delete',
        archive: { columns: ['billed_to', 'issued_on'], elsewhere: true },
        because: 'Code de commerce L123-22',
      },
    });
  });
}

export interface OtherDatabase {
  readonly url: string;
  /** As its superuser. */
  readonly plain: Knex;
  /** As a role that may move rows there, and nothing else. */
  readonly mover: Knex;
  moverAt(url: string): Knex;
  end(): Promise<void>;
}

/** Another database, with an archive that a role `carrier` may fill. */
export async function anotherDatabase(): Promise<OtherDatabase> {
  const database = await createDatabase(testServerUrl());
  const pools: Knex[] = [];
  const connect = (connection: string): Knex => {
    const log = { warn: () => undefined }; // Knex says each cut connection aloud
    const knex = knexPackage({ client: 'pg', connection, pool: { min: 0, max: 3 }, log });
    pools.push(knex);
    return knex;
  };
  const plain = connect(database.url);
  await plain.raw(`do $$ begin
    if not exists (select from pg_roles where rolname = 'carrier') then create role carrier login password 'carrier'; end if;
  end $$`);
  await installArchive(plain, { movers: ['carrier'] });
  const moverAt = (url: string): Knex => {
    const at = new URL(url);
    at.username = 'carrier';
    at.password = 'carrier';
    return connect(at.href);
  };
  const end = async (): Promise<void> => {
    for (const pool of pools) await pool.destroy();
    await database.drop();
  };
  return { url: database.url, plain, mover: moverAt(database.url), moverAt, end };
}

export async function addInvoiced(db: Knex, name: string, invoices = 2): Promise<number> {
  const [user] = await db('users').insert({ name }).returning('id');
  const id = Number(user?.id);
  const rows = Array.from({ length: invoices }, (_, n) => ({
    user_id: id,
    billed_to: `${n} rue de ${name}`,
    issued_on: '2024-01-31',
  }));
  await db('invoices').insert(rows);
  return id;
}
