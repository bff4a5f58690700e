/**
 * A statement on its way out: the server is asked what its raw parameters are, whom an update concerns is looked up, and
 * everything is sealed, in this order and before Knex emits `query`. So a statement that is refused was never announced, and
 * the bindings that events, logs and errors see keep their markers.
 */

import { OubliError, UnsupportedQueryError } from '../errors';
import { classifyParameters } from './classify';
import { isReplacedKey, translated } from './database-errors';
import { StatementDescriptions } from './describe';
import { factsOf } from './frame';
import {
  type CompiledQuery,
  type Connection,
  type InternalClient,
  isInTransaction,
  type QueryResult,
} from './internals';
import { holdsMarkers, PRINTED } from './marker';
import { allOrNone, sealForEach } from './narrowed-update';
import { PlannedComparisons } from './planned';
import { refuseUnreachable } from './reachable-operators';
import { sealBindings } from './seal-bindings';
import type { Seam } from './seam';
import { needsDescription } from './undescribed';
import { WatchedNames } from './watched-names';

export class Outgoing {
  private readonly descriptions = new StatementDescriptions();
  private readonly comparisons = new PlannedComparisons();
  /** What is really sent, by statement: once, or once for each person of an update. */
  private readonly sealed = new WeakMap<CompiledQuery, unknown[][]>();
  private readonly prepared = new WeakSet<CompiledQuery>();

  constructor(private readonly seam: Seam) {}

  /** Whether a statement has to be prepared before it is sent; asked again after it was, it has not. */
  mustPrepare(query: CompiledQuery): boolean {
    if (this.prepared.delete(query)) return false;
    if (query.sql?.includes(PRINTED) || holdsMarkers(query.bindings)) return true;
    const facts = factsOf(query);
    return (
      facts !== undefined &&
      (facts.describe || facts.opaque || facts.narrowed !== undefined || facts.after !== undefined)
    );
  }

  /** Everything that can refuse a statement, and that it has to wait for. */
  async prepare(client: InternalClient, connection: Connection, query: CompiledQuery): Promise<void> {
    await this.seal(client, connection, query);
    await factsOf(query)?.after;
    this.prepared.add(query);
  }

  private async seal(client: InternalClient, connection: Connection, query: CompiledQuery): Promise<void> {
    if (query.sql?.includes(PRINTED)) throw new UnsupportedQueryError('PRINTED_SQL');
    const narrowed = factsOf(query)?.narrowed;
    await this.classify(client, connection, query);
    if (narrowed) await this.classify(client, connection, narrowed.query);
    if (!narrowed && !holdsMarkers(query.bindings)) return;
    try {
      const sets = narrowed
        ? await sealForEach(client, this.seam, connection, query, narrowed)
        : [await sealBindings(this.seam, connection, query.bindings)];
      this.sealed.set(query, sets);
    } catch (error) {
      // whom a statement concerns is asked with the values of that statement
      throw translated(error, this.seam, true);
    }
  }

  /** The same, and sealed anew where its key was replaced meanwhile; in a transaction there is nothing to go on with. */
  async sendAgain(
    client: InternalClient,
    connection: Connection,
    query: CompiledQuery,
    send: (query: CompiledQuery) => Promise<CompiledQuery>,
  ): Promise<QueryResult> {
    try {
      return await this.send(connection, query, send);
    } catch (error) {
      if (!isReplacedKey(error) || isInTransaction(connection)) throw error;
      this.seam.keys.cache.clear();
      await this.seal(client, connection, query);
      return this.send(connection, query, send);
    }
  }

  /** Hands the sealed statement over, or the statement itself where there is nothing personal in it. */
  async send(
    connection: Connection,
    query: CompiledQuery,
    send: (query: CompiledQuery) => Promise<CompiledQuery>,
  ): Promise<QueryResult> {
    const sets = this.sealed.get(query);
    this.sealed.delete(query);
    const result = async (bindings: unknown[]): Promise<QueryResult> =>
      (await send({ ...query, bindings })).response as QueryResult;
    if (!sets) return (await send({ ...query })).response as QueryResult;
    return factsOf(query)?.narrowed ? allOrNone(connection, sets, result) : result(sets[0] ?? []);
  }

  /** The bindings of a statement that is streamed. */
  take(query: CompiledQuery): unknown[] {
    const [bindings] = this.sealed.get(query) ?? [query.bindings];
    this.sealed.delete(query);
    return bindings ?? [];
  }

  private async classify(client: InternalClient, connection: Connection, query: CompiledQuery): Promise<void> {
    const facts = factsOf(query);
    const { catalogue } = this.seam;
    if (!facts || !query.sql || catalogue.isEmpty || !(facts.describe || facts.opaque)) return;
    await refuseUnreachable(catalogue, connection, query.sql, facts);
    if (needsDescription(query, facts, catalogue)) await this.describe(client, connection, query);
    if (this.comparisons.concerns(catalogue, query.sql)) await this.compare(client, connection, query);
    facts.describe = false;
    facts.opaque = false;
  }

  private async describe(client: InternalClient, connection: Connection, query: CompiledQuery): Promise<void> {
    const { catalogue } = this.seam;
    const names = WatchedNames.of(catalogue);
    const watched = names.mentions(query.sql);
    const types = await this.typesOf(client, connection, query, watched, !names.ambiguous);
    if (types) query.bindings = classifyParameters(catalogue, query.bindings, types, watched ? query.sql : undefined);
  }

  /** A statement that cannot be parsed is left to fail by itself, where nothing in it can be personal. */
  private async typesOf(
    client: InternalClient,
    connection: Connection,
    query: CompiledQuery,
    watched: boolean,
    remember: boolean,
  ): Promise<readonly number[] | undefined> {
    try {
      const sql = client.positionBindings(query.sql);
      return await this.descriptions.parameterTypes(connection, sql, this.seam.catalogue, remember);
    } catch (error) {
      if (!watched) return undefined;
      throw this.announced(client, query, error);
    }
  }

  private async compare(client: InternalClient, connection: Connection, query: CompiledQuery): Promise<void> {
    const sql = client.positionBindings(query.sql);
    try {
      await this.comparisons.refuse(this.seam.catalogue, connection, sql, query.sql, query.bindings?.length ?? 0);
    } catch (error) {
      if (error instanceof OubliError) throw error;
      throw this.announced(client, query, error);
    }
  }

  /** What PostgreSQL says of a statement before it is sent, as Knex would have told it afterwards. */
  private announced(client: InternalClient, query: CompiledQuery, error: unknown): Error {
    const failure = translated(error, this.seam, true) as Error;
    failure.message = `${query.sql} - ${failure.message}`;
    client.emit('query-error', failure, query);
    return failure;
  }
}
