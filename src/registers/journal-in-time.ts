/**
 * A journal that answers in time, or is given up for that time: one that hangs, a mount that is gone or an object store without an answer,
 * must not stop whoever waits for it. What it does not take then is told with the next entry, sweep or start (ERASURE.md L1).
 */
import { JournalError } from '../errors';
import type { Journal } from './journal';

/** Far more than a disk or an object store needs for some lines, and still an answer to whoever waits for an erasure. */
const SECONDS = 10;

/** @throws JournalError JOURNAL_SILENT, from each of its methods, beside what the journal throws itself */
export function journalInTime(journal: Journal): Journal {
  const { name, seconds = SECONDS } = journal;
  const silent = (): JournalError => new JournalError('JOURNAL_SILENT', { journal: name, seconds });
  let hanging = 0;
  return {
    name,
    seconds,
    append: async (lines) => {
      // each one that hangs may hold a thread of the process: until it answers, no other joins it
      if (hanging > 0) throw silent();
      const append = journal.append(lines);
      await inTime(append, seconds, () => {
        hanging += 1;
        const answered = (): void => {
          hanging -= 1;
        };
        append.then(answered, answered); // whoever waited was told already
        return silent();
      });
    },
    async *read(options) {
      const lines = journal.read(options)[Symbol.asyncIterator]();
      let isOpen = true;
      try {
        while (isOpen) {
          const next = await inTime(lines.next(), seconds, silent);
          if (next.done) isOpen = false;
          else yield next.value;
        }
      } finally {
        // not awaited: what hangs would hang here once more
        if (isOpen) lines.return?.().catch(() => undefined);
      }
    },
  };
}

/** @param late makes the error of whoever waited in vain */
function inTime<T>(work: Promise<T>, seconds: number, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), 1000 * seconds);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
