/**
 * `npm run bench` measures everything, prints a table and writes `bench/RESULTS.md`; with names of works, it prints those alone.
 * `npm run bench -- --json NAME …` prints nothing but `{ "W1": { "ratio": 1.4, "rounds": 9 }, … }`.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { type LifeCycleWorks, lifeCycleWorks } from './lifecycle/works';
import { asJson, asMarkdown, asTable } from './report';
import { type Measured, measure } from './rounds';
import { type Family, families, peersOf } from './works';
import { createBenchWorld, startQuietServer } from './world';

const PEOPLE = 10_000;
const RESULTS = path.join(__dirname, 'RESULTS.md');

async function main(given: readonly string[]): Promise<void> {
  const isJson = given.includes('--json');
  const names = given.filter((each) => each !== '--json');
  const server = await startQuietServer();
  try {
    await show(server.url, names, isJson);
  } finally {
    await server.stop();
  }
}

async function show(server: string, names: readonly string[], isJson: boolean): Promise<void> {
  const world = await createBenchWorld(server, PEOPLE);
  const lifeCycle = lifeCycleWorks(server);
  try {
    const peers = peersOf(world);
    const results = await measured(families(world, peers), lifeCycle, names);
    console.log(isJson ? asJson(results) : asTable(results));
    if (isJson || names.length > 0) return;
    writeFileSync(RESULTS, asMarkdown(results, peers, world.postgres, 'npm run bench'));
  } finally {
    await lifeCycle.end();
    await world.end();
  }
}

async function measured(
  offered: readonly Family[],
  lifeCycle: LifeCycleWorks,
  names: readonly string[],
): Promise<Measured[]> {
  const known = [...offered.flatMap((family) => family.names), ...lifeCycle.names];
  const wanted = names.length > 0 ? names : known;
  const unknown = wanted.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`there is no work '${unknown}'; it is one of ${known.join(', ')}`);
  const say = (name: string): void => void (process.stderr.isTTY && process.stderr.write(`${name} …\r`));
  const results: Measured[] = [];
  for (const family of offered.filter((each) => each.names.some((name) => wanted.includes(name)))) {
    for (const work of await family.make()) {
      if (!wanted.includes(work.name)) continue;
      say(work.name);
      results.push(await measure(work));
    }
  }
  for (const name of lifeCycle.names.filter((each) => wanted.includes(each))) {
    say(name);
    results.push(await lifeCycle.measure(name));
  }
  return results;
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
