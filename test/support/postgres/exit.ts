/** What must be done before this process ends, by `process.exit`, an uncaught exception or a signal. */
import { constants } from 'node:os';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Registers `act`, which must be synchronous; the answer takes it back. */
export function onExit(act: () => void): () => void {
  process.once('exit', act);
  for (const signal of signals) process.on(signal, exitOn);
  return () => {
    process.off('exit', act);
    for (const signal of signals) process.off(signal, exitOn);
  };
}

/** A signal without a handler ends a process without its `exit` event. Whoever else listens decides for himself. */
function exitOn(signal: NodeJS.Signals): void {
  const others = process.listeners(signal).some((listener) => listener !== exitOn);
  if (!others) process.exit(128 + constants.signals[signal]);
}
