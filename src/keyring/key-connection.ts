/**
 * The key store's own connection, apart from the application's pool: a subject key is committed here before any value is
 * sealed under it, so a ROLLBACK of the caller cannot lose it (ENVELOPE.md K3), a cursor that holds its connection cannot
 * deadlock on it, and a pool of one cannot starve. It also listens for what other processes do: keys destroyed (K4),
 * epochs opened and destroyed, and declarations made.
 */
import { ConfigurationError } from '../errors';
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
/** The channel on which the schema's own functions say that something was declared, renamed or dropped. */
export const SCHEMA_CHANNEL = 'oubli_schema';
/** The channel on which epochs are announced: empty for one that was opened or drained, its number for one that was destroyed. */
export const EPOCHS_CHANNEL = 'oubli_epochs';

/** Its name among the sessions of the server: what it is asked for is no traffic of its own. */
export const KEYS_APPLICATION = 'oubli keys';

export interface Announcements {
  /** Keys that another process destroyed, by their ids in hex. */
  shredded(keyIds: string[]): void;
  /** What is declared is no longer what it was. */
  schemaChanged(): void;
  /** Another epoch is the newest, or one was destroyed: its number. */
  epochsChanged(destroyed: number | undefined): void;
  /** The connection was lost: until the next one listens, any of these may be missed. */
  lost(): void;
}

export class KeyConnection implements Queryable {
  private connection: Promise<RawConnection> | undefined;
  private queue: Promise<unknown> = Promise.resolve();
  private closed = false;

  constructor(
    private readonly connector: Connector,
    private readonly announcements: Announcements,
  ) {}

  /**
   * One statement at a time: a `pg` Client must not be asked to run two at once.
   * @throws ConfigurationError NOT_READY after `close()`: whatever is still under way gets no key any more
   */
  query(sql: string, params?: unknown[]): ReturnType<Queryable['query']> {
    if (this.closed) return Promise.reject(new ConfigurationError('NOT_READY'));
    const answer = this.queue.then(async () => withOwnTypes(await this.open()).query(sql, params));
    this.queue = answer.catch(() => undefined); // the caller sees the error; the next statement must still run
    return answer;
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.queue;
    const { connection } = this;
    this.connection = undefined;
    if (connection) await this.connector.disconnect(await connection);
  }

  private open(): Promise<RawConnection> {
    if (this.connection) return this.connection;
    const opening = this.connect(() => this.forget(opening));
    this.connection = opening;
    opening.catch(() => this.forget(opening)); // the caller sees the error; the next statement connects anew
    return opening;
  }

  /** Says whether it was the connection in use: of one that was given up already, a late `end` means nothing. */
  private forget(connection: Promise<RawConnection>): boolean {
    if (this.connection !== connection) return false;
    this.connection = undefined;
    return true;
  }

  private async connect(forget: () => boolean): Promise<RawConnection> {
    const connection = await this.connector.connect();
    const lost = (): void => {
      if (!forget()) return;
      this.announcements.lost();
      this.giveBack(connection);
    };
    connection.on('error', lost);
    connection.on('end', lost);
    connection.on('notification', ({ channel, payload }) => this.hear(channel, payload));
    try {
      // where the database's default is stricter, two writers about the same new person would fail to serialise here
      await connection.query(
        `set application_name = '${KEYS_APPLICATION}'; set default_transaction_isolation = 'read committed'; listen ${SHREDDED_CHANNEL}; listen ${SCHEMA_CHANNEL}; listen ${EPOCHS_CHANNEL}`,
      );
    } catch (error) {
      this.giveBack(connection);
      throw error;
    }
    return connection;
  }

  private hear(channel: string, payload: string | undefined): void {
    if (channel === SHREDDED_CHANNEL && payload) this.announcements.shredded(payload.split(','));
    if (channel === SCHEMA_CHANNEL) this.announcements.schemaChanged();
    if (channel === EPOCHS_CHANNEL) this.announcements.epochsChanged(payload ? Number(payload) : undefined);
  }

  /** A place in a pool is free again; that a broken connection does not end well is no news. */
  private giveBack(connection: RawConnection): void {
    this.connector.disconnect(connection).catch(() => undefined);
  }
}
