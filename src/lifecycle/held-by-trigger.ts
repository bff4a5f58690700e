/** What the triggers of held rows say to the life cycle itself: somebody placed a hold while the statement was under way. */

/** Held (migrations/009_holds.sql). */
const HELD = 'OU035';

export function isHeldByTrigger(error: unknown): boolean {
  return (error as { code?: string }).code === HELD;
}

/** The case that PostgreSQL's error names; `undefined` for every other error. */
export function caseOfTrigger(error: unknown): string | undefined {
  return isHeldByTrigger(error) ? String((error as { constraint?: string }).constraint) : undefined;
}
