/**
 * What has to be done afterwards, whatever became of the work: a lock is given back, a setting put back, a connection closed. Where both
 * fail, the work's error decides what is done next, so it is the one that is thrown; the other goes along in `suppressed`, and in its text.
 */
export async function afterwards<T>(work: () => Promise<T>, end: () => Promise<unknown>): Promise<T> {
  let done: T;
  try {
    done = await work();
  } catch (error) {
    await end().catch((also: unknown) => goesAlong(error, also));
    throw error;
  }
  await end();
  return done;
}

function goesAlong(error: unknown, also: unknown): void {
  if (!(error instanceof Error)) return;
  const { suppressed = [] } = error as { suppressed?: readonly unknown[] };
  Object.assign(error, { suppressed: [...suppressed, also] });
  error.message += `\n  and afterwards: ${also instanceof Error ? also.message : String(also)}`;
}
