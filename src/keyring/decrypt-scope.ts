/**
 * What one unit of work may open: of whom, and of how many people. An injection that returns a thousand foreign rows through it opens
 * none (GDPR Art. 5(1)(c) and 25(2): not accessible without limit). It counts people by the ids of their keys, before any key is fetched.
 */
import { KeyCache } from './key-cache';

/** A person as the application names her; what `subject()` returns is one. */
export interface NamedSubject {
  readonly kind: string;
  readonly id: string | number | bigint;
}

/** At least one of `subjects` and `max`. */
export interface ScopeLimits {
  /** Why values are opened, in your words or as declared: stands in the error and in the ledger, so nothing personal. It limits nothing. */
  readonly purpose: string;
  /** Whose values may be opened; anybody's where it is left out, nobody's where it is empty. */
  readonly subjects?: readonly NamedSubject[];
  /** How many different people's values may be opened in all, from 0 on. Without it, all `subjects`. */
  readonly max?: number;
}

/** What was refused, in counts and key ids. */
export interface Overrun {
  /** Undefined for a statement outside of every scope. */
  readonly purpose: string | undefined;
  readonly max: number | undefined;
  /** How many people the scope names. */
  readonly subjects: number | undefined;
  /** How many people's values had been opened in it. */
  readonly opened: number;
  /** How many people's keys the result names. */
  readonly named: number;
  /** Those of them that are nobody's of whom the scope names. */
  readonly foreign: number;
  /** Hex, of some that would have gone beyond it. */
  readonly keys: readonly string[];
}

/** The keys that people have, by `KeyCache.nameOf`. */
export type KeysOf = (subjects: readonly NamedSubject[]) => Promise<ReadonlySet<string>>;

/** Of some keys by their names, those that replaced ones of them, which stand for the same people. */
export type SuccessorsOf = (names: readonly string[]) => Promise<ReadonlyMap<string, Uint8Array>>;

/** By `KeyCache.nameOf`. */
type Keys = ReadonlyMap<string, Uint8Array>;

const MOST_NAMED = 10;

export class DecryptScope {
  private hers: ReadonlySet<string> = new Set();
  private readonly opened = new Set<string>();
  /** Whether the ledger has heard of it: one entry for each scope, however often it is exceeded. */
  isTold = false;

  /** @param outer the scopes in which it was made: what goes beyond one of them goes beyond it */
  constructor(
    private readonly limits: Omit<ScopeLimits, 'purpose'> & { readonly purpose?: string },
    readonly outer: readonly DecryptScope[],
    private readonly keysOf: KeysOf,
  ) {}

  get purpose(): string | undefined {
    return this.limits.purpose;
  }

  /** The keys that belong to nobody whom it names. Who has got a key since is asked for again. */
  async strangersAmong(keys: Keys): Promise<readonly string[]> {
    const { subjects } = this.limits;
    if (!subjects) return [];
    const among = (): string[] => [...keys.keys()].filter((name) => !this.hers.has(name));
    if (among().length === 0) return [];
    this.hers = await this.keysOf(subjects);
    return among();
  }

  /** What opening them would be beyond it, if it would. Decided without a pause, for results that come at the same time. */
  overrunBy(keys: Keys, strangers: readonly string[]): Overrun | undefined {
    const { purpose, max = Number.POSITIVE_INFINITY, subjects } = this.limits;
    const fresh = [...keys.keys()].filter((name) => !this.opened.has(name));
    if (strangers.length === 0 && this.opened.size + fresh.length <= max) return undefined;
    const beyond = strangers.length > 0 ? strangers : fresh;
    return {
      purpose,
      max: this.limits.max,
      subjects: subjects?.length,
      opened: this.opened.size,
      named: keys.size,
      foreign: strangers.length,
      keys: beyond.slice(0, MOST_NAMED).map((name) => Buffer.from(name, 'latin1').toString('hex')),
    };
  }

  /** Whose values were opened, by their keys' names. */
  get names(): readonly string[] {
    return [...this.opened];
  }

  /** People whose keys were replaced count by their new ones. */
  follow(successors: Keys): void {
    const names = this.names;
    this.opened.clear();
    for (const name of names) this.opened.add(nameAfter(name, successors));
  }

  count(keys: Keys): void {
    for (const name of keys.keys()) this.opened.add(name);
  }
}

/** The same people, by the keys that they have now. */
export function followed(keys: Keys, successors: Keys): Keys {
  return new Map([...keys].map(([name, keyId]) => [nameAfter(name, successors), successors.get(name) ?? keyId]));
}

function nameAfter(name: string, successors: Keys): string {
  const successor = successors.get(name);
  return successor ? KeyCache.nameOf(successor) : name;
}
