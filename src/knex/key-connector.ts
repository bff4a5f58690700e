/**
 * Where the key store's own connection comes from: the settings of the application's Knex instance, however they were given,
 * without taking a place in its pool.
 */
import type { Connector, RawConnection } from '../keyring/key-connection';
import type { Connection, InternalClient } from './internals';

interface ConnectingClient extends InternalClient {
  /** Set when the settings are a function: tokens that expire, rotated passwords. */
  readonly connectionConfigProvider?: () => Promise<object>;
  readonly config: InternalClient['config'] & { connectionPool?: NativePool };
}

/** A `pg` pool the application made itself (Knex's `connectionPool`). */
interface NativePool {
  connect(): Promise<Connection & { release(destroy?: boolean): void }>;
}

export function keyConnector(internal: InternalClient): Connector {
  const client = internal as ConnectingClient;
  const pool = client.config.connectionPool;
  return pool ? pooled(pool) : dedicated(client);
}

function dedicated(client: ConnectingClient): Connector {
  return {
    connect: async () => {
      const settings = await client.connectionConfigProvider?.();
      const asked = settings ? Object.create(client, { connectionSettings: { value: settings } }) : client;
      return (await asked.acquireRawConnection()) as unknown as RawConnection;
    },
    disconnect: (connection) => client.destroyRawConnection(connection as unknown as Connection),
  };
}

function pooled(pool: NativePool): Connector {
  return {
    connect: async () => (await pool.connect()) as unknown as RawConnection,
    // it listens, and must not serve anybody else afterwards
    disconnect: async (connection) => (connection as unknown as { release(destroy: boolean): void }).release(true),
  };
}
