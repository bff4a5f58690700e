/** What an erased person leaves of holds and restrictions: nothing. Cases that are over, a request that was carried out. */

/** @param mine SQL condition: the row `l` is of the person of `r` */
export function loosened(mine: string): string[] {
  return ['held_person', 'restriction', 'deferred_request'].map(
    (table) => `of_${table} as (delete from oubli.${table} l using root r where ${mine})`,
  );
}
