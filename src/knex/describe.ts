/**
 * Asks the server what each parameter of a statement is: Parse and Describe of the extended query protocol, one round trip,
 * nothing executed (PostgreSQL manual 55.2.3). The answer names the domain of a protected column, exactly, without a SQL
 * parser of our own. Answers are remembered per text until the schema changes.
 */
import type { Catalogue } from '../catalogue/model';
import type { Connection } from './internals';

/** The part of `pg`'s protocol connection used here. */
interface Wire {
  parse(query: { text: string; name?: string; types?: number[] }): void;
  describe(what: { type: 'S'; name?: string }): void;
  sync(): void;
  on(event: 'parameterDescription', listener: (message: { dataTypeIDs: number[] }) => void): void;
  removeListener(event: 'parameterDescription', listener: (message: { dataTypeIDs: number[] }) => void): void;
}

const REMEMBERED = 1000;

export class StatementDescriptions {
  private readonly known = new WeakMap<Catalogue, Map<string, readonly number[]>>();

  /**
   * @param catalogue the schema for which an answer holds
   * @param remember false where the same text may mean another table in another session
   * @returns the type OID of each `$n`
   */
  async parameterTypes(
    connection: Connection,
    sql: string,
    catalogue: Catalogue,
    remember: boolean,
  ): Promise<readonly number[]> {
    const known = this.knownOf(catalogue);
    const remembered = remember ? known.get(sql) : undefined;
    if (remembered) return remembered;
    const types = await describe(connection, sql);
    if (!remember) return types;
    known.set(sql, types);
    const [oldest] = known.keys();
    if (known.size > REMEMBERED && oldest !== undefined) known.delete(oldest);
    return types;
  }

  private knownOf(catalogue: Catalogue): Map<string, readonly number[]> {
    let known = this.known.get(catalogue);
    if (!known) {
      known = new Map();
      this.known.set(catalogue, known);
    }
    return known;
  }
}

/** @throws what PostgreSQL says, of a text of several statements too */
export function describe(connection: Connection, sql: string): Promise<readonly number[]> {
  return new Promise((resolve, reject) => {
    const query = connection.query as unknown as (submittable: DescribeQuery) => void;
    query.call(connection, new DescribeQuery(sql, resolve, reject));
  });
}

/** A custom query for `pg`'s queue (its Submittable protocol): it calls these methods as messages arrive. */
class DescribeQuery {
  /** Set by `pg` where a `query_timeout` is configured; called so that its timer ends. */
  callback?: () => void;
  private types: readonly number[] = [];
  private wire: Wire | undefined;
  private readonly listener = (message: { dataTypeIDs: number[] }): void => {
    this.types = message.dataTypeIDs;
  };

  constructor(
    private readonly text: string,
    private readonly resolve: (types: readonly number[]) => void,
    private readonly reject: (error: Error) => void,
  ) {}

  submit(wire: Wire): void {
    this.wire = wire;
    wire.on('parameterDescription', this.listener);
    wire.parse({ text: this.text, name: '', types: [] });
    wire.describe({ type: 'S', name: '' });
    wire.sync();
  }

  handleRowDescription(): void {
    // what the statement returns is not asked here
  }

  handleError(error: Error): void {
    this.end();
    this.reject(error);
  }

  handleReadyForQuery(): void {
    this.end();
    this.resolve(this.types);
  }

  private end(): void {
    this.callback?.();
    this.wire?.removeListener('parameterDescription', this.listener);
  }
}
