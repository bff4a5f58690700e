/** Seeded people for the tests: always the same ones, nobody real. */
import { en, Faker, fr } from '@faker-js/faker';
import type { Knex } from 'knex';

export interface Person {
  id: number;
  name: string;
  email: string;
}

/** A person with a contract and its note, two visits and two invoices. */
export async function addPerson(db: Knex, seed: number): Promise<Person> {
  const faker = new Faker({ locale: [fr, en], seed });
  const name = faker.person.fullName();
  const email = `${faker.internet.username().toLowerCase()}.${seed}@example.org`;
  const [user] = await db('users')
    .insert({
      name,
      email,
      birth_date: '1980-02-29',
      last_ip: faker.internet.ipv4(),
      nickname: `nick${seed}`,
      locale: 'fr',
    })
    .returning('id');
  const id = Number(user?.id);
  const [contract] = await db('contracts').insert({ user_id: id, signatory: name, plan: 'basic' }).returning('id');
  await db('notes').insert({ contract_id: contract?.id, body: `called ${name}` });
  await db('visits').insert([
    { user_id: id, ip: faker.internet.ipv4(), at: '2026-01-02T03:04:05Z' },
    { user_id: id, ip: faker.internet.ipv6(), at: '2026-01-03T03:04:05Z' },
  ]);
  await db('invoices').insert([
    { user_id: id, billing_address: faker.location.streetAddress(), total: 12.5, issued_on: '2024-01-31' },
    { user_id: id, billing_address: faker.location.streetAddress(), total: 99.99, issued_on: '2025-06-30' },
  ]);
  return { id, name, email };
}

/** Several such people, whose service ended on one day. */
export async function addPeople(db: Knex, count: number, endedOn: string, firstSeed = 100): Promise<Person[]> {
  const people: Person[] = [];
  for (let i = 0; i < count; i++) people.push(await addPerson(db, firstSeed + i));
  await db('users')
    .whereIn(
      'id',
      people.map(({ id }) => id),
    )
    .update({ service_ended_on: endedOn });
  return people;
}
