/**
 * A schema of shapes that foreign keys take in the wild: each kind of person has one of them. SQL creates the tables and
 * `annotate` declares them, as a team with an old database would.
 */
import type { Knex } from 'knex';
import { annotate, install, SCHEMA_VERSION } from '../../src';

const serve = { purpose: 'provide the service', basis: 'contract' } as const;
const person = { ...serve, retention: { from: 'ended_on', keep: '6 months', then: 'erase' } } as const;
const ended = { notPersonal: 'starts the clock' } as const;
const sealed = { category: 'identity.name', protect: 'encrypt' } as const;
const clear = { category: 'identity.name', protect: 'clear', because: 'a test reads it' } as const;
const tenYears = {
  purpose: 'invoicing',
  basis: 'legal_obligation',
  retention: { from: 'issued_on', keep: '10 years', then: 'delete', because: 'Code de commerce L123-22' },
} as const;

const TABLES = `
create table employees (id int primary key, name text not null, boss_id int references employees, ended_on date);
create index on employees (boss_id);

create table accounts (id int primary key, name text, address_id int not null, ended_on date);
create table addresses (id int primary key, account_id int not null references accounts on delete restrict, street text);
alter table accounts add foreign key (address_id) references addresses on delete restrict;
create index on accounts (address_id);
create index on addresses (account_id);

create table patients (id uuid primary key, number varchar(8) not null unique, name text, ended_on date);
create table stays (patient varchar(8) not null references patients (number), year int, primary key (patient, year), room text);
create table meals (id int primary key, patient varchar(8) not null, year int not null, dish text,
  foreign key (patient, year) references stays);
create index on meals (year, patient);

create table writers (pen varchar(20) primary key, ended_on date);
create table letters (id int primary key, sender text not null references writers, recipient text references writers,
  copy_to text references writers, body text);
create index on letters (sender);
create index on letters (recipient) where recipient is not null;
create index on letters using hash (copy_to);
create table penfriends (a text not null references writers on delete cascade, b text not null references writers on delete cascade);
create index on penfriends (a);
create index on penfriends (b, a);

create table "Client" ("Numéro" int primary key, "Nom" text, "parti le" date);
create table "Client Commande" (id int primary key, "client\\?" int not null references "Client" on delete set null, "Où" text);
create index on "Client Commande" ("client\\?");

create table customers (id int primary key, name text not null, email text not null, code varchar(20) not null unique,
  mail text not null unique, ip inet not null, crm text not null unique, level int not null, ended_on date);
create table bills (id int primary key, customer_id int not null references customers, address text, issued_on date);
create index on bills (customer_id);

create table chefs (id int primary key, ended_on date);
create table dishes (id int primary key, chef_id int not null references chefs, name text);
create table tastings (id int primary key, chef_id int not null references chefs, dish_id int not null references dishes, said text);
create index on dishes (chef_id);
create index on tastings (chef_id);
create index on tastings (dish_id);

create table guests (id int primary key, age int not null, ended_on date);
create table stamps (id int primary key, guest_id int not null references guests, issued_on date);
create index on stamps (guest_id);
`;

export async function migrateFamilies(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.raw(TABLES);
  await annotate(knex, 'employees', {
    subject: { kind: 'employee', ...person },
    columns: { name: sealed, ended_on: ended },
  });
  await annotate(knex, 'accounts', {
    subject: { kind: 'account', ...person },
    columns: { name: clear, ended_on: ended },
  });
  await annotate(knex, 'addresses', { data: serve, columns: { street: clear } });
  await annotate(knex, 'patients', {
    subject: { kind: 'patient', ...person },
    columns: { name: sealed, number: clear, ended_on: ended },
  });
  await annotate(knex, 'stays', { data: serve, columns: { room: clear } });
  await annotate(knex, 'meals', { data: serve, columns: { dish: sealed } });
  await annotate(knex, 'writers', { subject: { kind: 'writer', ...person }, columns: { pen: clear, ended_on: ended } });
  await annotate(knex, 'letters', {
    data: { ...serve, subject: { kind: 'writer', via: 'sender' } },
    columns: { body: sealed },
  });
  await annotate(knex, 'Client', {
    subject: { kind: 'client', ...person, retention: { ...person.retention, from: 'parti le' } },
    columns: { Nom: sealed, 'parti le': ended },
  });
  await annotate(knex, 'Client Commande', { data: serve, columns: { Où: clear } });
  await annotate(knex, 'customers', {
    subject: { kind: 'customer', ...person },
    columns: {
      name: sealed,
      email: { category: 'contact.email', protect: 'encrypt', search: 'email', unique: true },
      code: { ...clear, category: 'account.id' as const },
      mail: { ...clear, category: 'contact.email' as const },
      ip: { category: 'connection.ip', protect: 'truncate-ip', origin: 'observed' },
      crm: { category: 'account.id', protect: 'pseudonymise' },
      level: { ...clear, category: 'account.id' as const, replaceWith: 0 },
      ended_on: ended,
    },
  });
  await annotate(knex, 'bills', { data: tenYears, columns: { address: sealed, issued_on: ended } });
  await annotate(knex, 'chefs', { subject: { kind: 'chef', ...person }, columns: { ended_on: ended } });
  await annotate(knex, 'dishes', { data: serve, columns: { name: clear } });
  await annotate(knex, 'tastings', { data: { ...serve, subject: { via: 'chef_id' } }, columns: { said: clear } });
  await annotate(knex, 'guests', { subject: { kind: 'guest', ...person }, columns: { age: clear, ended_on: ended } });
  await annotate(knex, 'stamps', { data: tenYears, columns: { issued_on: ended } });
}

/** One table more than was declared. */
export async function migrateForgotten(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.raw(`
    create table owners (id int primary key, ended_on date);
    create table pets (id int primary key, owner_id int not null references owners, name text);
    create table vets (id int primary key, pet_id int not null references pets, remark text);`);
  await annotate(knex, 'owners', { subject: { kind: 'owner', ...person }, columns: { ended_on: ended } });
  await annotate(knex, 'pets', { data: serve, columns: { name: clear } });
}
