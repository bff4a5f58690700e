/** Every work by its name: what was promised, what is there for comparison, and what the peers take. Made only when it is run. */
import { crudWorks, insertingKnown, insertingNew } from './crud';
import { ciphersweet } from './peers/ciphersweet';
import { cloak } from './peers/cloak';
import type { Peer } from './peers/peer';
import { pgcrypto } from './peers/pgcrypto';
import type { Work } from './rounds';
import { KnexStore, type Store } from './store';
import type { BenchWorld } from './world';

export interface Family {
  readonly names: readonly string[];
  make(): Promise<Work[]>;
}

const ROUNDS = 9;
/** Some peers take a minute for what plain Knex does in a second; ratios this large need no more. */
const PEER_ROUNDS = 3;

const VERBS = ['W1', 'W2', 'W3', 'W4'] as const;

export function peersOf({ plain }: BenchWorld): Peer[] {
  return [pgcrypto(plain), cloak(plain), ciphersweet(plain)];
}

export function families(
  world: BenchWorld,
  peers: readonly Peer[],
  rounds = ROUNDS,
  peerRounds = PEER_ROUNDS,
): Family[] {
  const { plain: admin, people } = world;
  const plain = new KnexStore(admin, 'plain_people');
  const compared = (tried: Store) => ({ admin, people, plain, tried });
  const named = (suffix: string): string[] => VERBS.map((verb) => `${verb}${suffix}`);
  return [
    {
      names: named(''),
      make: async () =>
        crudWorks(compared(new KnexStore(world.oubli.db, 'people')), {
          ...{ suffix: '', title: '', rounds },
          atMost: { W1: 1.5, W2: 3.5, W3: 1.15, W4: 1.15 },
        }),
    },
    { names: ['bulk', 'W1k'], make: async () => insertWorks(world, plain, rounds) },
    {
      names: named('u'),
      make: async () =>
        crudWorks(compared(new KnexStore(world.oubli.db, 'plain_people')), {
          ...{ suffix: 'u', title: ', unprotected table through db', rounds },
          atMost: { W1: 1.05, W2: 1.05, W3: 1.05, W4: 1.05 },
        }),
    },
    ...peers.map((peer) => ({
      names: named(`-${peer.name}`),
      make: async () =>
        crudWorks(compared(await peer.open()), {
          ...{ suffix: `-${peer.name}`, title: `, ${peer.name}`, rounds: peerRounds },
          atMost: {},
        }),
    })),
  ];
}

function insertWorks({ plain: admin, oubli, people }: BenchWorld, plain: Store, rounds: number): Work[] {
  const inserting = (insert: Store['insert']): Pick<Store, 'table' | 'insert'> => ({ table: 'people', insert });
  return [
    {
      name: 'bulk',
      title: `insertMany ${people.length} people (to plain batchInsert)`,
      ...{ rounds, atMost: 1 },
      plain: insertingNew(admin, people, plain),
      tried: insertingNew(
        admin,
        people,
        inserting(async (arriving) => {
          await oubli.insertMany('people', arriving);
        }),
      ),
    },
    {
      name: 'W1k',
      title: `insert ${people.length} people whose keys exist`,
      ...{ rounds, atMost: undefined },
      plain: insertingKnown(admin, people, plain),
      tried: insertingKnown(admin, people, new KnexStore(oubli.db, 'people')),
    },
  ];
}
