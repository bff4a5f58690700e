/**
 * "Did you mean …?": the nearest allowed word to one that is not allowed, and the refusal of keys nobody asked for.
 * Pure; the caller decides which error to raise.
 */

/**
 * The candidate a misspelt word most likely stands for: the nearest within a third of its length, or the only one whose
 * last part it is (`email` for `contact.email`). `undefined` rather than a wild guess.
 *
 * @example suggest('serach', ['search', 'unique']) // 'search'
 */
export function suggest(given: string, candidates: readonly string[]): string | undefined {
  const word = given.toLowerCase();
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: distance(word, candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const nearest = ranked[0];
  if (nearest && nearest.distance <= Math.max(1, Math.floor(word.length / 3))) return nearest.candidate;
  const endings = candidates.filter((candidate) => candidate.toLowerCase().endsWith(`.${word}`));
  return endings.length === 1 ? endings[0] : undefined;
}

/**
 * Raises what `refuse` makes of the first key of `given` that is not allowed. An option that is not understood is never
 * ignored: it was written to protect somebody.
 */
export function refuseUnknownKeys(
  given: object,
  allowed: readonly string[],
  refuse: (key: string, suggestion: string | undefined) => Error,
): void {
  const unknown = Object.keys(given).find((key) => !allowed.includes(key));
  if (unknown !== undefined) throw refuse(unknown, suggest(unknown, allowed));
}

/** Damerau-Levenshtein, restricted (optimal string alignment): inserted, lost, replaced and swapped letters count 1. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = at(rows, i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(rows, i - 2, j - 2) + 1 : Infinity;
      row.push(Math.min(at(rows, i - 1, j) + 1, (row[j - 1] ?? Infinity) + 1, replaced, swapped));
    }
    rows.push(row);
  }
  return at(rows, a.length, b.length);
}

function at(rows: readonly number[][], i: number, j: number): number {
  return rows[i]?.[j] ?? Number.POSITIVE_INFINITY;
}
