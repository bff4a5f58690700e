/** A schema whose tables refer to people without foreign keys, in each way that a migration can declare. */
import type { Knex } from 'knex';
import { annotate, install, SCHEMA_VERSION } from '../../src';

const serve = { purpose: 'provide the service', basis: 'contract' } as const;
const person = { ...serve, retention: { from: 'ended_on', keep: '6 months', then: 'erase' } } as const;
const ended = { notPersonal: 'starts the clock' } as const;
const sealed = { category: 'activity.content', protect: 'encrypt' } as const;
const clear = { category: 'activity.content', protect: 'clear', because: 'a test reads it' } as const;

export async function migrateReferring(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.raw(`
    create schema crm;
    create table people (id serial primary key, ref uuid not null unique, name text, ended_on date);
    create table crm.companies (id serial primary key, name text, ended_on date);
    create table logins (id serial primary key, person_ref uuid, ip text);
    create table imports (id serial primary key, "Person" varchar(20), note text);
    create table events (id serial primary key, payload jsonb);
    create table traces (id serial primary key, payload json not null);
    create table attachments (id serial primary key, owner_id bigint, owner_type text, file_name text);
    create table versions (id serial primary key, attachment_id int not null references attachments, label text);
    create index on versions (attachment_id);
    create table links (id serial primary key, target_id int, target_type text);
    create table pointers (id serial primary key, doc jsonb not null);
    insert into events (payload) values ('{"kind": "before anybody"}');`);
  await annotate(knex, 'people', {
    subject: { kind: 'person', ...person },
    columns: { name: sealed, ref: clear, ended_on: ended },
  });
  await annotate(knex, 'crm.companies', {
    subject: { kind: 'company', ...person },
    columns: { name: sealed, ended_on: ended },
  });
  await annotate(knex, 'logins', {
    data: { ...serve, references: [{ columns: ['person_ref'], to: 'people', on: ['ref'] }] },
    columns: { ip: clear },
  });
  await annotate(knex, 'imports', {
    data: { ...serve, references: [{ columns: ['Person'], to: 'people' }] },
    columns: { note: clear },
  });
  await annotate(knex, 'events', {
    data: { ...serve, references: [{ json: 'payload', path: ['user', 'id'], to: 'people' }] },
    columns: { payload: clear },
  });
  await annotate(knex, 'traces', {
    data: { ...serve, references: [{ json: 'payload', path: ['who', '0'], to: 'people', on: ['ref'] }] },
    columns: { payload: clear },
  });
  await annotate(knex, 'attachments', {
    data: {
      ...serve,
      references: [
        { columns: ['owner_id'], to: 'people', when: { owner_type: 'Person' } },
        { columns: ['owner_id'], to: 'crm.companies', when: { owner_type: 'Company' } },
      ],
    },
    columns: { file_name: clear },
  });
  await annotate(knex, 'versions', { data: serve, columns: { label: clear } });
  await annotate(knex, 'links', {
    data: {
      ...serve,
      onErase: 'detach',
      references: [{ columns: ['target_id'], to: 'people', when: { target_type: 'Person' } }],
    },
    columns: {},
  });
  await annotate(knex, 'pointers', {
    data: { ...serve, onErase: 'detach', references: [{ json: 'doc', path: ['person'], to: 'people' }] },
    columns: { doc: { notPersonal: 'what is left says nothing of anybody' } },
  });
  await knex.schema.createTable('messages', (t) => {
    t.increments('id');
    t.uuid('author_ref');
    t.text('body').personal(sealed);
    t.personalData({ ...serve, references: [{ columns: ['author_ref'], to: 'people', on: ['ref'] }] });
  });
  await knex.schema.createTable('comments', (t) => {
    t.increments('id');
    t.text('owner_id');
    t.text('owner_type');
    t.text('body').personal(sealed);
    t.text('crm').personal({ category: 'account.id', protect: 'pseudonymise' });
    t.personalData({ ...serve, references: [{ columns: ['owner_id'], to: 'people', when: { owner_type: 'Person' } }] });
  });
}
