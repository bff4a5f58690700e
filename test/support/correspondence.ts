/** A service whose rows are about several people: messages that are answered, deals that two sign, pairs. */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { annotate, install, SCHEMA_VERSION } from '../../src';
import { keyIdOf } from '../../src/crypto/envelope';

const serve = { purpose: 'provide the service', basis: 'contract' } as const;
const person = { ...serve, retention: { from: 'ended_on', keep: '6 months', then: 'erase' } } as const;
const content = { category: 'activity.content', protect: 'encrypt' } as const;
const clear = { category: 'activity.content', protect: 'clear', because: 'a test reads it' } as const;
const recipient = { subject: { via: 'recipient_id' } } as const;
const ended = { notPersonal: 'starts the clock' } as const;

/** What the migrations of these tests create; `messages` is NULL wherever it can be, `pairs` nowhere. */
export const TABLES = `
create table users (id int primary key, name text, ended_on date);
create table clerks (id int primary key, name text, ended_on date);
create table messages (id int primary key, sender_id int references users, recipient_id int references users,
  clerk_id int references clerks, body text, reply text, reply_pen text, mood text, verdict text, sent_on date not null default '2026-01-01');
create index on messages (sender_id); create index on messages (recipient_id); create index on messages (clerk_id);
create table pairs (id int primary key, a_id int not null references users, b_id int not null references users,
  a_note text not null, b_note text not null, b_word text not null);
create index on pairs (a_id); create index on pairs (b_id);
create table deals (id int primary key, client_id int not null references users, witness_id int references users,
  client_name text, witness_name text, issued_on date);
create index on deals (client_id); create index on deals (witness_id);
`;

export async function declareMessages(knex: Knex): Promise<void> {
  await annotate(knex, 'messages', {
    data: { ...serve, subject: { via: 'sender_id' } },
    columns: {
      body: content,
      reply: { ...content, ...recipient },
      reply_pen: { category: 'account.id', protect: 'pseudonymise', ...recipient },
      mood: { ...clear, ...recipient },
      verdict: { ...content, subject: { via: 'clerk_id', kind: 'clerk' } },
      sent_on: { notPersonal: 'a date' },
    },
  });
}

export async function migrateCorrespondence(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.raw(TABLES);
  for (const [table, kind] of [
    ['users', 'user'],
    ['clerks', 'clerk'],
  ] as const)
    await annotate(knex, table, {
      subject: { kind, ...person },
      columns: { name: { category: 'identity.name', protect: 'encrypt' }, ended_on: ended },
    });
  await declareMessages(knex);
  await annotate(knex, 'pairs', {
    data: { ...serve, subject: { via: 'a_id' } },
    columns: {
      a_note: content,
      b_note: { ...content, subject: { via: 'b_id' } },
      b_word: { ...clear, subject: { via: 'b_id' } },
    },
  });
  await annotate(knex, 'deals', {
    data: {
      purpose: 'accounts',
      basis: 'legal_obligation',
      subject: { via: 'client_id' },
      retention: { from: 'issued_on', keep: '10 years', then: 'delete', because: 'Code de commerce L123-22' },
    },
    columns: {
      client_name: content,
      witness_name: { ...content, subject: { via: 'witness_id' } },
      issued_on: { notPersonal: 'the fiscal date' },
    },
  });
}

/** Ada 1, Bob 2, Cleo 3, and the clerk Zoe 1. */
export async function addCorrespondents(db: Knex): Promise<void> {
  await db('users').insert(['Ada', 'Bob', 'Cleo'].map((name, i) => ({ id: i + 1, name })));
  await db('clerks').insert({ id: 1, name: 'Zoe' });
}

/** Whose key a stored value names: `user 2`, `nobody` for what an erasure left, `a dead key`. */
export async function ownerOf(plain: Knex, value: unknown): Promise<string> {
  if (value === null) return 'null';
  expect(Buffer.isBuffer(value)).to.equal(true);
  const keyId = Buffer.from(keyIdOf(value as Buffer));
  if (keyId.every((byte) => byte === 0)) return 'nobody';
  const [link] = await plain('oubli.subject_link').where({ key_id: keyId });
  if (link) return `${link.kind} ${link.subject_id}`;
  const [kept] = await plain('oubli.subject_link').where({ retained_key_id: keyId });
  if (kept) return `kept of ${kept.kind} ${kept.subject_id}`;
  return 'a dead key';
}

/** Of each stored row, whose keys the values of these columns name. */
export async function ownersIn(plain: Knex, table: string, columns: readonly string[]): Promise<string[][]> {
  const rows = await plain(table).orderBy('id').select(columns);
  return Promise.all(rows.map((row) => Promise.all(columns.map((name) => ownerOf(plain, row[name])))));
}
