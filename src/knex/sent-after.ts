/** A statement that is sealed at once, and sent when the one in front of it is in: the next chunk of a load. */
import type { InternalBuilder } from './internals';

/** @returns its answer; whoever gave it must ask for it in the end, since nobody hears of its failure before */
export function sentAfter<T>(statement: PromiseLike<T>, before: Promise<unknown> | undefined): Promise<T> {
  (statement as unknown as InternalBuilder)._single.after = before;
  const answer = Promise.resolve(statement);
  answer.catch(() => undefined); // thrown to whoever asks, when the turn of this statement comes
  return answer;
}
