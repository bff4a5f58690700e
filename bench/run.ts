/** `npm run bench`: a table of ratios to plain Knex, measured in interleaved rounds. `-- --json NAME …` prints only numbers. */
import { cpus } from 'node:os';
import { crudWorks } from './crud';
import { type Measured, measure } from './rounds';
import { createBenchWorld } from './world';

const ROUNDS = 5;

async function main(): Promise<void> {
  const [flag, ...names] = process.argv.slice(2);
  const asJson = flag === '--json';
  const world = await createBenchWorld();
  try {
    const results: Measured[] = [];
    // the works build on each other: what the first inserts, the second reads
    for (const work of crudWorks(world)) results.push(await measure(work, ROUNDS));
    const wanted = names.length > 0 ? results.filter((result) => names.includes(result.name)) : results;
    if (asJson) printJson(wanted);
    else printTable(wanted);
  } finally {
    await world.end();
  }
}

function printJson(results: readonly Measured[]): void {
  const entries = results.map(({ name, ratio, rounds }) => [name, { ratio: Number(ratio.toFixed(2)), rounds }]);
  console.log(JSON.stringify(Object.fromEntries(entries)));
}

function printTable(results: readonly Measured[]): void {
  console.log(
    `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}; medians of ${ROUNDS} interleaved rounds\n`,
  );
  for (const { name, title, ratio, plainMs, protectedMs } of results) {
    const times = `${plainMs.toFixed(0).padStart(6)} ms plain ${protectedMs.toFixed(0).padStart(6)} ms protected`;
    console.log(`${name}  ${title.padEnd(42)} ${times}  ${ratio.toFixed(2)} ×`);
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
