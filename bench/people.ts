/** The people of the benches: seeded, so that every run writes and reads the same. */
import { en, Faker, fr } from '@faker-js/faker';

export interface Person extends Record<string, unknown> {
  id: number;
  first_name: string;
  last_name: string;
  email: string;
  phone: string;
  address: string;
  locale: string;
}

/** What is sealed of the seven. */
export const SEALED = ['first_name', 'last_name', 'email', 'phone', 'address'] as const;

export function makePeople(count: number): Person[] {
  const faker = new Faker({ locale: [fr, en], seed: 1789 });
  return Array.from({ length: count }, (_, i) => ({
    id: i + 1,
    first_name: faker.person.firstName(),
    last_name: faker.person.lastName(),
    email: `${i}.${faker.internet.email()}`,
    phone: faker.phone.number(),
    address: faker.location.streetAddress(),
    locale: 'fr',
  }));
}
