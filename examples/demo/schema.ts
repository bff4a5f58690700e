/** The service of the demo, as its team would migrate it: once `oubli` itself, then its tables with what is personal in them. */
import type { Knex } from 'knex';
import { install, SCHEMA_VERSION, uninstall } from '../../src';

const oublisOwnSchema: Knex.Migration = {
  up: (knex) => install(knex, { version: SCHEMA_VERSION }),
  down: (knex) => uninstall(knex),
};

const people: Knex.Migration = {
  async up(knex) {
    await knex.schema.createTable('users', (t) => {
      t.increments('id');
      t.text('name').personal({ category: 'identity.name', protect: 'encrypt' });
      t.text('email').personal({ category: 'contact.email', protect: 'encrypt', search: 'email', unique: true });
      t.date('birth_date').personal({ category: 'identity.birth_date', protect: 'encrypt' });
      t.specificType('last_ip', 'inet').personal({
        category: 'connection.ip',
        protect: 'truncate-ip',
        origin: 'observed',
      });
      t.text('locale').notPersonal('a language tag singles nobody out');
      t.date('service_ended_on').nullable().index().notPersonal('the event that starts the clock');
      t.dataSubject('user', {
        purpose: 'provide the service',
        basis: 'contract',
        retention: { from: 'service_ended_on', keep: '6 months', then: 'erase' },
      });
    });
  },
  down: (knex) => knex.schema.dropTable('users'),
};

const whatBelongsToThem: Knex.Migration = {
  async up(knex) {
    await knex.schema.createTable('contracts', (t) => {
      t.increments('id');
      t.integer('user_id').notNullable().references('users.id').index();
      t.text('signatory').personal({ category: 'identity.name', protect: 'encrypt' });
      t.text('plan').notPersonal('a tariff');
      t.text('state').notNullable().notPersonal('running or ended');
      t.personalData({ purpose: 'provide the service', basis: 'contract' });
    });
    await knex.schema.createTable('visits', (t) => {
      t.increments('id');
      t.integer('user_id').notNullable().references('users.id').index();
      t.specificType('ip', 'inet').personal({ category: 'connection.ip', protect: 'truncate-ip', origin: 'observed' });
      t.timestamp('at').notPersonal('the moment of a visit');
      t.personalData({ purpose: 'audience measurement', basis: 'consent' });
    });
    await knex.schema.createTable('invoices', (t) => {
      t.increments('id');
      t.integer('user_id').notNullable().references('users.id').index();
      t.text('billed_to').personal({ category: 'contact.address', protect: 'encrypt' });
      t.decimal('total').notPersonal('an amount');
      t.date('issued_on').notPersonal('the fiscal date');
      t.personalData({
        purpose: 'invoicing',
        basis: 'legal_obligation',
        retention: { from: 'issued_on', keep: '10 years', then: 'delete', because: 'Code de commerce L123-22' },
      });
    });
  },
  async down(knex) {
    for (const table of ['invoices', 'visits', 'contracts']) await knex.schema.dropTable(table);
  },
};

const migrations: Record<string, Knex.Migration> = {
  '001_oubli': oublisOwnSchema,
  '002_people': people,
  '003_what_belongs_to_them': whatBelongsToThem,
};

/** As a folder of migration files would be, so that the demo is one folder to read. */
export const migrationSource: Knex.MigrationSource<string> = {
  getMigrations: async () => Object.keys(migrations),
  getMigrationName: (name) => name,
  getMigration: async (name) => migrations[name] as Knex.Migration,
};
