/**
 * Whether a connection is still held for the statement that was to be sent on it. A statement is sealed before it is sent, and meanwhile
 * whoever asked for it may have given it up (a timeout, a stream that was closed): by then the connection may be somebody else's.
 */
import { UnsupportedQueryError } from '../errors';
import type { Connection } from './internals';

export class Leases {
  private readonly turns = new WeakMap<Connection, number>();

  /** To be told when a connection goes back to the pool, and when what runs on it is cancelled. */
  end(connection: Connection): void {
    this.turns.set(connection, this.turn(connection) + 1);
  }

  /** @throws UnsupportedQueryError GIVEN_UP where the lease ended meanwhile */
  async during(connection: Connection, work: () => Promise<void>): Promise<void> {
    const turn = this.turn(connection);
    await work();
    if (this.turn(connection) !== turn) throw new UnsupportedQueryError('GIVEN_UP');
  }

  private turn(connection: Connection): number {
    return this.turns.get(connection) ?? 0;
  }
}
