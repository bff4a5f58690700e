/**
 * A handle on an instance whose every statement runs in a decrypt scope, transactions and their savepoints too: the same pool, the same
 * tables, and nothing beyond the scope is opened, whatever asynchronous context it is used in.
 */
import type { EventEmitter } from 'node:events';
import type { Knex } from 'knex';
// Not among Knex's public exports; what makes a transaction's handle of its client, too.
import makeKnex from 'knex/lib/knex-builder/make-knex';
import type { DecryptScope } from '../keyring/decrypt-scope';
import type { Scopes } from '../keyring/scopes';
import { type Class, type CompiledQuery, type Connection, type InternalClient, internalsOf } from './internals';
import { SCOPE, type Scoped, scopeOf } from './protected-builder';

/** What a client tells its instance, and an instance its listeners. */
const EVENTS = ['start', 'query', 'query-error', 'query-response'] as const;
/** The listeners of the instance are told by the instance. */
const HEARS_NOBODY = { _events: undefined, _eventsCount: 0 };

export function scopedHandle<K extends Knex>(knex: K, scopes: Scopes, scope: DecryptScope): K {
  const client = internalsOf(knex);
  const { prototype } = scopedClient(client.constructor as Class<InternalClient>, scopes);
  // not `withUserParams`: it copies settings, pool and listeners in depth, which takes as long as a few queries
  const own = Object.assign(Object.create(prototype) as InternalClient & EventEmitter, client, HEARS_NOBODY, {
    config: { ...client.config, [SCOPE]: scope },
  });
  for (const event of EVENTS) own.on(event, (...told: unknown[]) => client.emit(event, ...told));
  const handle = makeKnex(own) as K;
  handle.userParams = { ...knex.userParams };
  return handle;
}

const made = new WeakMap<object, Class<InternalClient>>();

/** One for all scopes. Knex makes a transaction's client of the prototype of its instance's class, and with its settings. */
function scopedClient(Base: Class<InternalClient>, scopes: Scopes): Class<InternalClient> {
  const known = made.get(Base);
  if (known) return known;
  class ScopedClient extends Base {
    override query(connection: Connection, query: CompiledQuery | string): Promise<CompiledQuery> {
      return scopes.within(scopeOf(this as Scoped) as DecryptScope, () => super.query(connection, query));
    }

    override stream(
      connection: Connection,
      query: CompiledQuery | string,
      stream: NodeJS.WritableStream,
      options: object,
    ): Promise<void> {
      return scopes.within(scopeOf(this as Scoped) as DecryptScope, () =>
        super.stream(connection, query, stream, options),
      );
    }
  }
  made.set(Base, ScopedClient);
  return ScopedClient;
}
