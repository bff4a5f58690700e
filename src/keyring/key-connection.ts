/**
 * The key store's own connection, apart from the application's pool: a subject key is committed here before any value is
 * sealed under it, so a ROLLBACK of the caller cannot lose it (ENVELOPE.md K3), a cursor that holds its connection cannot
 * deadlock on it, and a pool of one cannot starve. It also listens for keys that other processes destroy (K4).
 */
import { withOwnTypes } from '../own-types';
import type { Queryable } from '../queryable';

/** The part of a `pg` Client used here. */
export interface RawConnection extends Queryable {
  on(event: 'notification', listener: (message: { channel: string; payload?: string | undefined }) => void): unknown;
  on(event: 'error' | 'end', listener: () => void): unknown;
}

export interface Connector {
  connect(): Promise<RawConnection>;
  disconnect(connection: RawConnection): Promise<void>;
}

/** The channel on which key ids (hex, comma separated) of destroyed keys are announced. */
export const SHREDDED_CHANNEL = 'oubli_shredded';

export class KeyConnection implements Queryable {
  private connection: Promise<RawConnection> | undefined;
  private queue: Promise<unknown> = Promise.resolve();

  /**
   * @param onShredded called with the key ids (hex) another process destroyed
   * @param onReconnect called after a lost connection, when announcements may have been missed
   */
  constructor(
    private readonly connector: Connector,
    private readonly onShredded: (keyIds: string[]) => void,
    private readonly onReconnect: () => void,
  ) {}

  /** One statement at a time: a `pg` Client must not be asked to run two at once. */
  query(sql: string, params?: unknown[]): ReturnType<Queryable['query']> {
    const answer = this.queue.then(async () => withOwnTypes(await this.open()).query(sql, params));
    this.queue = answer.catch(() => undefined); // the caller sees the error; the next statement must still run
    return answer;
  }

  async close(): Promise<void> {
    await this.queue;
    const { connection } = this;
    this.connection = undefined;
    if (connection) await this.connector.disconnect(await connection);
  }

  private open(): Promise<RawConnection> {
    this.connection ??= this.connect();
    return this.connection;
  }

  private async connect(): Promise<RawConnection> {
    try {
      const connection = await this.connector.connect();
      const lost = (): void => {
        this.connection = undefined;
        this.onReconnect();
      };
      connection.on('error', lost);
      connection.on('end', lost);
      connection.on('notification', ({ channel, payload }) => {
        if (channel === SHREDDED_CHANNEL && payload) this.onShredded(payload.split(','));
      });
      await connection.query(`listen ${SHREDDED_CHANNEL}`);
      return connection;
    } catch (error) {
      this.connection = undefined;
      throw error;
    }
  }
}
