/** Which failures may be passed over: those named, and no other. */

/** True for an error of Node or PostgreSQL with one of these codes, such as ENOENT or 3D000. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && codes.includes(String((error as { code?: unknown }).code));
}

/** Answers `undefined` where the work failed with one of these codes; any other failure goes on up. */
export async function unless<T>(codes: string[], work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (hasCode(error, ...codes)) return undefined;
    throw error;
  }
}
