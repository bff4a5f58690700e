/** Rules that have a number, and the tests that name them: a test's title, or that of the suite it stands in, begins with the number. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const FOLDER = path.join(__dirname, '..');

/** The titles of all tests and suites there are. */
export function allTitles(): string[] {
  return readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .flatMap((file) => titlesIn(readFileSync(path.join(FOLDER, file), 'utf8')));
}

/** Where tests are named, and nowhere else. */
export function titlesIn(source: string): string[] {
  return Array.from(
    source.matchAll(/\b(?:it|describe)\(\s*(['"`])(.*?)\1\s*,\s*(?:async\b|function\b|\()/g),
    ([, , title]) => title as string,
  );
}

/** @param rule such as `K4`; it may stand behind others, as in `E1 E3 does not open` and `K5, K6 and K7: …` */
export function named(titles: readonly string[], rule: string): string[] {
  const begins = new RegExp(`^(?:[A-Z]\\d+(?:, | and | ))*${rule}\\b`);
  return titles.filter((title) => begins.test(title));
}
