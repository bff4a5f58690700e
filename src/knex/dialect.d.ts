/** Knex ships no types for the paths its dialect classes, and what makes a handle of a client, are imported by. */
declare module 'knex/lib/dialects/postgres' {
  const Client: unknown;
  export default Client;
}

declare module 'knex/lib/knex-builder/make-knex' {
  import type { Knex } from 'knex';
  export default function makeKnex(client: unknown): Knex;
}
