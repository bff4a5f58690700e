/** The tables of the example, with what is personal in them. */
import type { Knex } from 'knex';
import { install, SCHEMA_VERSION } from '../../src';

export async function migrate(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('users', (t) => {
    t.increments('id');
    t.text('full_name').personal({ category: 'identity.name', protect: 'encrypt' });
    t.text('email').personal({ category: 'contact.email', protect: 'encrypt', search: 'email', unique: true });
    t.specificType('last_ip', 'inet').personal({
      category: 'connection.ip',
      protect: 'truncate-ip',
      origin: 'observed',
    });
    t.text('locale').notPersonal('a language tag singles nobody out');
    t.date('left_on').notPersonal('the event that starts the clock');
    t.dataSubject('user', {
      purpose: 'provide the service',
      basis: 'contract',
      retention: { from: 'left_on', keep: '6 months', then: 'erase' },
    });
  });
  await knex.schema.createTable('contracts', (t) => {
    t.increments('id');
    t.integer('user_id').notNullable().references('users.id').onDelete('cascade').index();
    t.text('signatory').personal({ category: 'identity.name', protect: 'encrypt' });
    t.text('plan').notPersonal('a tariff');
    t.personalData({ purpose: 'provide the service', basis: 'contract' });
  });
  await knex.schema.createTable('notes', (t) => {
    t.increments('id');
    t.integer('contract_id').notNullable().references('contracts.id').onDelete('cascade').index();
    t.text('body').personal({ category: 'activity.content', protect: 'encrypt' });
    t.personalData({ purpose: 'provide the service', basis: 'contract' });
  });
}
