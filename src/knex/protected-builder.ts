/**
 * Knex's query builder and raw query, so far as they must know that they belong to a protected instance: they refuse foreign
 * transactions, keep personal rows out of their own events, and a raw text reports its parameters to the statement it is part of.
 */
import type { Catalogue } from '../catalogue/model';
import { UnsupportedQueryError } from '../errors';
import type { DecryptScope } from '../keyring/decrypt-scope';
import { type DecryptedOrderOptions, decryptedOrderStatement } from './decrypted-order';
import { compileWithin, currentFrame } from './frame';
import type { Class, CompiledQuery, InternalBuilder, RawQuery, Statement } from './internals';
import { refuseInside } from './marker';
import type { PersonalResults } from './personal-results';
import { Scope } from './scope';
import { concealUndescribed } from './undescribed';

/** On the prototype of every protected client: which seam it belongs to. */
export const PROTECTED = Symbol.for('oubli.protected');

/** In the settings of the client of a handle that is limited: its scope. Transactions have their instance's settings. */
export const SCOPE = Symbol('oubli.scope');

export interface Scoped {
  readonly config?: { readonly [SCOPE]?: DecryptScope };
}

export function scopeOf({ config }: Scoped): DecryptScope | undefined {
  return config?.[SCOPE];
}

/** Constants and functions without arguments: nothing in them to ask the server about. */
const HARMLESS = /^\s*(default|(current_(date|time|timestamp)|localtimestamp)(\(\d\))?|\w+\(\))\s*$/i;

interface Emitter {
  readonly client: Scoped;
  emit(event: string, ...args: unknown[]): boolean;
  transacting(transaction?: { client?: object }): unknown;
}

export function protectedBuilder(Base: Class<InternalBuilder>, personal: PersonalResults): Class<InternalBuilder> {
  return class ProtectedBuilder extends guarding(Base as Class<InternalBuilder & Emitter>, personal) {
    declare _statements: Statement[];

    orderByDecrypted(column: unknown, options?: Partial<DecryptedOrderOptions>): this {
      this._statements.push(decryptedOrderStatement(column, options));
      return this;
    }

    /** `.update('doc', { … })`: Knex makes JSON of the object at once. */
    override update(...given: unknown[]): unknown {
      if (typeof given[0] === 'string') refuseInside(given[1]);
      return super.update(...given);
    }
  };
}

export function protectedRaw(
  Base: Class<RawQuery>,
  personal: PersonalResults,
  catalogue: () => Catalogue,
): Class<RawQuery> {
  return class ProtectedRaw extends guarding(Base as Class<RawQuery & Emitter>, personal) {
    override toSQL(method?: string, tz?: string): CompiledQuery {
      const compile = (): CompiledQuery => {
        const query = super.toSQL(method, tz);
        const facts = currentFrame()?.facts;
        if (facts && query.bindings.length > 0) facts.describe = true;
        else if (facts && !HARMLESS.test(query.sql)) facts.opaque = true;
        return query;
      };
      return compileWithin(Scope.ofRawText(currentFrame()?.scope), compile, (query, facts) =>
        concealUndescribed(query, facts, catalogue),
      );
    }
  };
}

function guarding<T extends Emitter>(Base: Class<T>, personal: PersonalResults): Class<T> {
  class Guarding extends (Base as Class<Emitter>) {
    /** `db('t').transacting(trx)` of an unprotected instance would store plaintext. */
    override transacting(transaction?: { client?: object }): unknown {
      if (transaction?.client && !(PROTECTED in transaction.client)) throw new UnsupportedQueryError('FOREIGN_TRX');
      refuseOtherScope(scopeOf(this.client), transaction?.client);
      return super.transacting(transaction);
    }

    override emit(event: string, ...args: unknown[]): boolean {
      return super.emit(event, ...personal.redacted(event, args));
    }
  }
  return Guarding as unknown as Class<T>;
}

/** In a transaction of a wider scope, or of none, the query would not be limited any more. */
function refuseOtherScope(own: DecryptScope | undefined, client: Scoped | undefined): void {
  if (!own || !client) return;
  const other = scopeOf(client);
  if (own !== other && !other?.outer.includes(own))
    throw new UnsupportedQueryError('FOREIGN_SCOPE', { purpose: own.purpose });
}
