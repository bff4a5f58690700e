/**
 * The transaction of whoever calls, as a connection of oubli's. Its statements go the way of the caller's own, so that none comes after
 * the COMMIT; their answers come as PostgreSQL means them, whatever type parsers and mappers of rows the application has.
 */
import type { Knex } from 'knex';
import { UnsupportedQueryError } from '../errors';
import { withOwnTypes } from '../own-types';
import type { Queryable } from '../queryable';
import { internalsOf } from './internals';

/** A query as `pg` takes it, with parsers of its own. */
interface Asked {
  readonly text: string;
  readonly values: unknown[];
  readonly types: object;
}

/** @throws UnsupportedQueryError NO_TRX for a Knex instance that is none: every statement would be by itself, and its locks gone */
export function callersConnection(trx: Knex.Transaction): Queryable {
  if (!trx.isTransaction) throw new UnsupportedQueryError('NO_TRX');
  const client = internalsOf(trx);
  const ask = async ({ text, values, types }: Asked): Promise<unknown> => {
    const sql = text.replaceAll('?', '\\?'); // Knex would take it for a binding
    const { response } = await client.query(await client.acquireConnection(), {
      sql,
      bindings: values,
      options: { types },
    });
    return response;
  };
  return withOwnTypes({ query: ask as unknown as Queryable['query'] });
}

/** @param then called as soon as the transaction, and those it stands in, are committed, or were rolled back without an error */
export function afterCommit(trx: Knex.Transaction, then: () => void): void {
  const { parentTransaction, executionPromise } = trx as Knex.Transaction & { parentTransaction?: Knex.Transaction };
  if (parentTransaction) afterCommit(parentTransaction, then);
  else executionPromise.then(then, () => undefined); // whoever began it hears why it was rolled back
}
