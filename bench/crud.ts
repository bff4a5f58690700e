/** What it costs to do ordinary things otherwise than with plain Knex: bulk insert, full read, look-up by e-mail, update. */
import type { Knex } from 'knex';
import type { Person } from './people';
import type { Side, Work } from './rounds';
import type { Store } from './store';

const SINGLE_STATEMENTS = 2_000;

export interface Compared {
  /** Empties, fills and vacuums tables between the rounds. */
  readonly admin: Knex;
  readonly people: readonly Person[];
  readonly plain: Store;
  readonly tried: Store;
}

type Verb = 'W1' | 'W2' | 'W3' | 'W4';

export interface WorkOptions {
  /** What follows `W1` in the work's name, and what it says of it. */
  readonly suffix: string;
  readonly title: string;
  readonly rounds: number;
  readonly atMost: Readonly<Partial<Record<Verb, number>>>;
}

export function crudWorks(compared: Compared, { suffix, title, rounds, atMost }: WorkOptions): Work[] {
  const { admin, people, plain, tried } = compared;
  const work = (verb: Verb, what: string, side: (store: Store) => Side): Work => ({
    name: `${verb}${suffix}`,
    title: `${what}${title}`,
    rounds,
    atMost: atMost[verb],
    plain: side(plain),
    tried: side(tried),
  });
  const some = people.slice(0, SINGLE_STATEMENTS);
  return [
    work('W1', `insert ${people.length} people (batchInsert)`, (store) => insertingNew(admin, people, store)),
    work('W2', `select ${people.length} people, all columns`, (store) => ({
      prepare: () => filled(admin, people, store),
      run: async () => expectCount((await store.readAll()).length, people.length),
    })),
    work('W3', `${some.length} look-ups by e-mail`, (store) => ({
      prepare: () => filled(admin, people, store),
      run: async () => {
        for (const { email } of some) expectCount((await store.find(email)).length, 1);
      },
    })),
    work('W4', `${some.length} updates of one sealed column`, (store) => ({
      prepare: () => filled(admin, people, store),
      run: async (round) => {
        for (const { id } of some) expectCount(await store.updatePhone(id, `+33 ${round} ${id}`), 1);
      },
    })),
  ];
}

/** People nobody has seen before, as a sign-up or an import brings them: for each a key is made. */
export function insertingNew(admin: Knex, people: readonly Person[], store: Pick<Store, 'table' | 'insert'>): Side {
  let arriving: Person[] = [];
  return {
    prepare: async (round) => {
      await empty(admin, store.table);
      const past = (round + 1) * people.length;
      arriving = people.map((person) => ({ ...person, id: past + person.id }));
    },
    run: () => store.insert(arriving),
  };
}

/** The same people again: their keys are there already, and in the cache. */
export function insertingKnown(admin: Knex, people: readonly Person[], store: Pick<Store, 'table' | 'insert'>): Side {
  return { prepare: () => empty(admin, store.table), run: () => store.insert(people) };
}

async function empty(admin: Knex, table: string): Promise<void> {
  await admin.raw('truncate ??', [table]);
  await tidy(admin, table);
}

/** What autovacuum would do meanwhile, also where the keys are. */
async function tidy(admin: Knex, table: string): Promise<void> {
  await admin.raw('vacuum analyze ??, oubli.subject_link, oubli.subject_key', [table]);
}

/** Everybody is there, nothing dead is left of former rounds, and the planner knows the table. */
async function filled(admin: Knex, people: readonly Person[], store: Store): Promise<void> {
  const [found] = await admin(store.table).count().max('id');
  if (Number(found?.count) !== people.length || found?.max !== people.length) {
    await empty(admin, store.table);
    await store.insert(people);
  }
  await tidy(admin, store.table);
}

/** A bench that does not do its work would be fast. */
function expectCount(rows: number, count: number): void {
  if (rows !== count) throw new Error(`${rows} rows instead of ${count}`);
}
