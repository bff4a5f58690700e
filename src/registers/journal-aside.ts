/** A journal that is read, and never written: what a drill would append is kept in memory, behind what the journal has. */
import type { Journal } from './journal';

export function journalAside(journal: Journal): Journal {
  const own: string[] = [];
  return {
    name: journal.name,
    append: async (lines) => void own.push(...lines),
    async *read(options) {
      yield* journal.read(options);
      yield* own;
    },
  };
}
