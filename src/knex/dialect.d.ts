/** Knex ships no types for the path its dialect classes are imported by. */
declare module 'knex/lib/dialects/postgres' {
  const Client: unknown;
  export default Client;
}
