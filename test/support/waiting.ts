/** Waiting for what another connection or process does. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Knex } from 'knex';

export async function until(what: string, holds: () => Promise<boolean>, seconds = 15): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`waited ${seconds} s in vain: ${what}`);
    await wait(10);
  }
}

/** Until some connection to this database waits for a lock; with 0, until none does. */
export async function untilSomebodyWaits(plain: Knex, count = 1): Promise<void> {
  await until(`${count} connections that wait for a lock`, async () => {
    const { rows } = await plain.raw(
      `select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return count === 0 ? rows[0].n === 0 : rows[0].n >= count;
  });
}
