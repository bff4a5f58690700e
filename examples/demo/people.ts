/** Two hundred people who do not exist, always the same ones, with their contracts, visits and invoices. */
import { en, Faker, fr } from '@faker-js/faker';
import type { Knex } from 'knex';

export interface Person {
  readonly id: number;
  readonly name: string;
  readonly email: string;
  readonly birth_date: string;
  /** In full, as it was given to the application. */
  readonly last_ip: string;
}

export interface Population {
  readonly people: readonly Person[];
  readonly rows: Readonly<Record<string, number>>;
}

/** Today is fixed, so that the same seed gives the same dates on any day. */
const faker = new Faker({ locale: [fr, en], seed: 2026 });
faker.setDefaultRefDate('2026-11-01T00:00:00Z');

const COUNT = 200;

export async function populate(db: Knex): Promise<Population> {
  const drawn = drawPeople(COUNT);
  const ids = await db('users')
    .insert(drawn.map((person) => ({ ...person, locale: 'fr' })))
    .returning('id');
  const people = drawn.map((person, i) => ({ ...person, id: Number(ids[i]?.id) }));
  const rows = {
    contracts: people.map((person) => contractOf(person)),
    visits: people.flatMap((person) => times(faker.number.int({ min: 1, max: 4 }), () => visitOf(person))),
    invoices: people.flatMap((person) => times(faker.number.int({ min: 1, max: 3 }), () => invoiceOf(person))),
  };
  for (const [table, inserts] of Object.entries(rows)) await db(table).insert(inserts);
  const counts = Object.entries(rows).map(([table, inserts]) => [table, inserts.length]);
  return { people, rows: { users: people.length, ...Object.fromEntries(counts) } };
}

/** Two women with two invoices at least, and names that are long enough to be looked for. */
export async function pickTwo(db: Knex, people: readonly Person[]): Promise<[Person, Person]> {
  const counted = await db('invoices').select('user_id').count('* as n').groupBy('user_id');
  const invoices = new Map(counted.map((row) => [row.user_id, Number(row.n)]));
  const [one, other] = people.filter(
    ({ id, name }, i) => isWoman(i) && name.length >= 12 && (invoices.get(id) ?? 0) >= 2,
  );
  if (!one || !other) throw new Error('too few women have two invoices: another seed is needed');
  return [one, other];
}

/** Every other one is. */
function isWoman(place: number): boolean {
  return place % 2 === 0;
}

/** No two share a name or an address, and no name is part of another: whoever is found by hers was leaked, and nobody else. */
function drawPeople(count: number): Omit<Person, 'id'>[] {
  const drawn: Omit<Person, 'id'>[] = [];
  while (drawn.length < count) {
    const [first, last] = [faker.person.firstName(isWoman(drawn.length) ? 'female' : 'male'), faker.person.lastName()];
    const name = `${first} ${last}`;
    const email = `${asciiOf(`${first}.${last}`)}@example.org`;
    const isTaken = drawn.some((one) => one.email === email || one.name.includes(name) || name.includes(one.name));
    if (isTaken) continue;
    const birth_date = dayOf(faker.date.birthdate({ mode: 'age', min: 18, max: 80 }));
    drawn.push({ name, email, birth_date, last_ip: address() });
  }
  return drawn;
}

function contractOf(person: Person): object {
  const plan = faker.helpers.arrayElement(['basic', 'team', 'business']);
  return { user_id: person.id, signatory: person.name, plan, state: 'running' };
}

function visitOf(person: Person): object {
  return { user_id: person.id, ip: address(), at: faker.date.recent({ days: 90 }) };
}

function invoiceOf(person: Person): object {
  const billed_to = `${person.name}, ${faker.location.streetAddress()}`;
  const total = faker.finance.amount({ min: 9, max: 900 });
  return { user_id: person.id, billed_to, total, issued_on: dayOf(faker.date.past({ years: 3 })) };
}

function asciiOf(text: string): string {
  return text
    .normalize('NFD')
    .replace(/[^\w.-]/g, '')
    .toLowerCase();
}

function address(): string {
  return faker.datatype.boolean(0.7) ? faker.internet.ipv4() : faker.internet.ipv6();
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
}

function times<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make);
}
