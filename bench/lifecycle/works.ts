/** The works of the life cycle by their names, each measured on its own; what they need is made when the first of them wants it. */
import type { Measured } from '../rounds';
import { measureDue } from './due';
import { measureEraseOne } from './erase-one';
import { createEstate, type Estate } from './estate';
import { measurePurge } from './purge';
import { measureRewrap } from './rewrap';
import { measureTraffic } from './traffic';
import { measureWorkers } from './workers';

export interface Scale {
  readonly people: number;
  /** Who leaves in a round of `purge` and of `purge-traffic`, and of `workers`. */
  readonly leaving: number;
  readonly working: number;
  readonly rounds: number;
  /** Of traffic alone. */
  readonly seconds: number;
  /** Whose date is asked for. */
  readonly subjects: number;
  readonly dueRounds: number;
  readonly guests: number;
  /** Wrapped anew in a round of `rewrap`. */
  readonly keys: number;
}

/** Three rounds, and one to warm up where there is one, use up the 100,000. */
export const FULL: Scale = {
  people: 100_000,
  leaving: 10_000,
  working: 3_000,
  rounds: 3,
  seconds: 30,
  subjects: 10_000_000,
  dueRounds: 9,
  guests: 300,
  keys: 100_000,
};

export interface LifeCycleWorks {
  readonly names: readonly string[];
  measure(name: string): Promise<Measured>;
  end(): Promise<void>;
}

export function lifeCycleWorks(server: string, scale: Scale = FULL): LifeCycleWorks {
  let made: Promise<Estate> | undefined;
  const estate = (): Promise<Estate> => {
    made ??= createEstate(server, scale.people);
    return made;
  };
  const works: Record<string, () => Promise<Measured>> = {
    purge: async () => measurePurge(await estate(), scale.leaving, scale.rounds),
    'purge-traffic': async () =>
      measureTraffic(await estate(), { people: scale.leaving, rounds: scale.rounds, seconds: scale.seconds }),
    due: () => measureDue(server, scale.subjects, scale.dueRounds),
    'erase-one': () => measureEraseOne(server, scale.guests),
    rewrap: () => measureRewrap(server, scale.keys, scale.rounds),
    workers: async () => measureWorkers(await estate(), scale.working, scale.rounds),
  };
  return {
    names: Object.keys(works),
    measure: (name) => {
      const work = works[name];
      if (!work) throw new Error(`there is no work '${name}'`);
      return work();
    },
    end: async () => (await made)?.end(),
  };
}
