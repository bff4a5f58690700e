/**
 * What the three servers beside this file have in common: a table, and a visit that is noted in it. Where the address comes from is
 * the framework's business: `req.ip`, and nothing of the request's headers. `X-Forwarded-For` is whatever the visitor wrote, unless
 * a proxy of yours overwrites it; which proxies those are, only you know, and you say it to the framework ("trust proxy").
 */
import type { Knex } from 'knex';
import { install, SCHEMA_VERSION } from '../../src';

export async function migrate(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('users', (t) => {
    t.increments('id');
    t.text('email').personal({ category: 'contact.email', protect: 'encrypt', search: 'email', unique: true });
    t.specificType('last_ip', 'inet').personal({
      category: 'connection.ip',
      protect: 'truncate-ip',
      origin: 'observed',
    });
    t.date('left_on').notPersonal('the event that starts the clock');
    t.dataSubject('user', {
      purpose: 'provide the service',
      basis: 'contract',
      retention: { from: 'left_on', keep: '6 months', then: 'erase' },
    });
  });
}

export interface SignUp {
  readonly email: string;
}

/** @param ip as the framework gives it; it is truncated before it is written */
export async function signUp(db: Knex, { email }: SignUp, ip: string | undefined): Promise<{ id: number }> {
  const [user] = await db('users').insert({ email, last_ip: ip }).onConflict('email').merge().returning('id');
  return user;
}
