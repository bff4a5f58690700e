/**
 * The decrypt scopes of an instance: which ones the code that runs has entered, and whether what it reads stays within all of them.
 * They travel with Node's asynchronous context, so that models, helpers and transactions need not hand them on.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { ScopeExceededError } from '../errors';
import {
  DecryptScope,
  followed,
  type KeysOf,
  type Overrun,
  type ScopeLimits,
  type SuccessorsOf,
} from './decrypt-scope';

/** Asked before any key of a result is fetched. @throws ScopeExceededError: nothing of the result was opened, nor counted */
export type Admit = (keys: ReadonlyMap<string, Uint8Array>) => Promise<void>;

export class Scopes {
  private readonly entered = new AsyncLocalStorage<readonly DecryptScope[]>();

  /**
   * @param successorsOf which of some keys others have replaced: while her values are sealed anew a person has two, and counts once
   * @param tell writes what was refused to the ledger
   * @param outside how many people's values a statement outside of every scope may open
   */
  constructor(
    private readonly keysOf: KeysOf,
    private readonly successorsOf: SuccessorsOf,
    private readonly tell: (overrun: Overrun) => Promise<void>,
    private readonly outside: number | undefined,
  ) {}

  /** A scope within those that the caller is in. */
  make(limits: ScopeLimits): DecryptScope {
    return new DecryptScope(limits, this.current, this.keysOf);
  }

  /** Runs work in a scope, beside those it is called in. */
  within<T>(scope: DecryptScope, work: () => T): T {
    return this.entered.run([...new Set([...this.current, ...scope.outer, scope])], work);
  }

  /** For one statement, export or the like: by the scopes of whoever begins it, wherever its rows arrive. */
  admitting(): Admit {
    const { current, outside } = this;
    const scopes =
      current.length === 0 && outside !== undefined ? [new DecryptScope({ max: outside }, [], this.keysOf)] : current;
    return scopes.length === 0 ? async () => undefined : (keys) => this.admit(scopes, keys);
  }

  private get current(): readonly DecryptScope[] {
    return this.entered.getStore() ?? [];
  }

  private async admit(scopes: readonly DecryptScope[], keys: ReadonlyMap<string, Uint8Array>): Promise<void> {
    if (keys.size === 0) return;
    const each = await Promise.all(scopes.map(async (scope) => ({ scope, beyond: await scope.strangersAmong(keys) })));
    // from here to the count without a pause: of two results that come together one takes the last place
    for (const { scope, beyond } of each) {
      const overrun = scope.overrunBy(keys, beyond);
      if (!overrun) continue;
      const successors = await this.successorsOf([...keys.keys(), ...scopes.flatMap((one) => one.names)]);
      if (successors.size === 0) throw await this.exceeded(scope, overrun);
      for (const one of scopes) one.follow(successors);
      return this.admit(scopes, followed(keys, successors));
    }
    for (const scope of scopes) scope.count(keys);
  }

  private async exceeded(scope: DecryptScope, overrun: Overrun): Promise<ScopeExceededError> {
    if (scope.isTold) return new ScopeExceededError(overrun);
    scope.isTold = true;
    try {
      await this.tell(overrun);
      return new ScopeExceededError(overrun);
    } catch (error) {
      return new ScopeExceededError(overrun, error);
    }
  }
}
