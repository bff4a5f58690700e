/**
 * Test data made by others, in an optional folder beside the checkout: `shared/data`. Nothing of it is part of the
 * project. A test that needs a file runs in CI, where a missing file is a failure; elsewhere it is skipped.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';

const folder = path.join(__dirname, '..', '..', '..', 'shared', 'data');

/**
 * The path of a file of test data; skips the running test, saying why, when there is none.
 *
 * @example
 * before(function () { vectors = JSON.parse(readFileSync(sharedData(this, 'vectors/blake2b-kat.json'), 'utf8')); });
 */
export function sharedData(running: Mocha.Context, name: string): string {
  const file = path.join(folder, name);
  if (existsSync(file)) return file;
  if (process.env.CI === 'true') throw new Error(`test data is missing: ${name}, in the folder of test data`);
  console.log(`  skipped for want of test data beside the checkout: ${name}`);
  return running.skip();
}
