/**
 * Readable fakes for people who leave, from the team's own `@faker-js/faker`: one of each kind for a person, the same in all
 * her tables. They are drawn from a seed of this erasure that is stored nowhere. A seed made of her key would do worse: a backup
 * that still holds the key could compute the fake again, and so find her row.
 */
import { isPersonal } from '../catalogue/model';
import type { Fake } from '../catalogue/spec';
import { randomBytes } from '../crypto/random';
import { ConfigurationError } from '../errors';
import type { Engine } from './engine';
import type { FakerLike } from './faker-like';
import type { Plan } from './plan';

const DRAWN: Readonly<Record<Fake, (faker: FakerLike) => string>> = {
  name: ({ person }) => person.fullName(),
  first_name: ({ person }) => person.firstName(),
  last_name: ({ person }) => person.lastName(),
  username: usernameOf,
  company: ({ company }) => company.name(),
  // what an address may hold before its mark, in any language
  email: (faker) =>
    usernameOf(faker)
      .toLowerCase()
      .replace(/[^a-z0-9._-]/g, '') || 'nobody',
};

/**
 * @param count of those who leave
 * @returns a JSON object of fakes for each of them, null where nothing asks for any
 * @throws ConfigurationError FAKER_MISSING
 */
export async function fakesFor({ faker }: Engine, plan: Plan, count: number): Promise<(string | null)[]> {
  const wanted = wantedFakes(plan);
  const [first] = wanted;
  if (!first) return Array<null>(count).fill(null);
  const drawing = faker ?? (await installedFaker(first));
  drawing.seed([...new Uint32Array(randomBytes(32).slice().buffer)]);
  return Array.from({ length: count }, () =>
    JSON.stringify(Object.fromEntries(wanted.map(({ fake }) => [fake, DRAWN[fake](drawing)]))),
  );
}

interface Wanted {
  readonly fake: Fake;
  readonly table: string;
  readonly column: string;
}

function wantedFakes({ steps }: Plan): Wanted[] {
  return steps
    .filter(({ action }) => action === 'anonymise')
    .flatMap(({ table }) =>
      [...table.columns.values()].filter(isPersonal).flatMap(({ name, spec }) => {
        const said = spec && 'anonymise' in spec ? spec.anonymise : undefined;
        return typeof said === 'object' && 'fake' in said ? [{ fake: said.fake, table: table.name, column: name }] : [];
      }),
    );
}

function usernameOf({ internet }: FakerLike): string {
  return internet.username?.() ?? internet.userName?.() ?? 'nobody';
}

/** An ES module from version 10 on, hence by import. */
async function installedFaker({ table, column }: Wanted): Promise<FakerLike> {
  try {
    const { faker } = await import('@faker-js/faker');
    return faker;
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new ConfigurationError('FAKER_MISSING', { table, column });
  }
}
