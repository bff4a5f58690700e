/**
 * `npm run bench` measures everything, prints a table and writes `bench/RESULTS.md`; with names of works, it prints those alone.
 * `npm run bench -- --json NAME …` prints nothing but `{ "W1": { "ratio": 1.4, "rounds": 9 }, … }`.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { asJson, asMarkdown, asTable } from './report';
import { type Measured, measure } from './rounds';
import { type Family, families, peersOf } from './works';
import { type BenchWorld, createBenchWorld, startQuietServer } from './world';

const PEOPLE = 10_000;
const RESULTS = path.join(__dirname, 'RESULTS.md');

async function main(given: readonly string[]): Promise<void> {
  const isJson = given.includes('--json');
  const names = given.filter((each) => each !== '--json');
  const server = await startQuietServer();
  try {
    const world = await createBenchWorld(server.url, PEOPLE);
    await show(world, names, isJson).finally(() => world.end());
  } finally {
    await server.stop();
  }
}

async function show(world: BenchWorld, names: readonly string[], isJson: boolean): Promise<void> {
  const peers = peersOf(world);
  const results = await measured(families(world, peers), names);
  console.log(isJson ? asJson(results) : asTable(results));
  if (isJson || names.length > 0) return;
  writeFileSync(RESULTS, asMarkdown(results, peers, world.postgres, 'npm run bench'));
}

async function measured(offered: readonly Family[], names: readonly string[]): Promise<Measured[]> {
  const known = offered.flatMap((family) => family.names);
  const wanted = names.length > 0 ? names : known;
  const unknown = wanted.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`there is no work '${unknown}'; it is one of ${known.join(', ')}`);
  const results: Measured[] = [];
  for (const family of offered.filter((each) => each.names.some((name) => wanted.includes(name)))) {
    for (const work of await family.make()) {
      if (!wanted.includes(work.name)) continue;
      if (process.stderr.isTTY) process.stderr.write(`${work.name} …\r`);
      results.push(await measure(work));
    }
  }
  return results;
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
