/** What a purge does to everybody else: the p99 of point traffic beside it, and of the same traffic without it. */
import { setTimeout as wait } from 'node:timers/promises';
import { type Measured, quantile } from '../rounds';
import { type Estate, makeDue, WHOLE } from './estate';
import { startBenchProcess } from './processes';

export interface TrafficScale {
  readonly people: number;
  readonly rounds: number;
  /** Of traffic alone, in each round. */
  readonly seconds: number;
}

export async function measureTraffic(estate: Estate, scale: TrafficScale): Promise<Measured> {
  const alone: number[] = [];
  const beside: number[] = [];
  for (let round = 0; round < scale.rounds; round++) {
    alone.push(await p99(estate, () => wait(scale.seconds * 1000)));
    await makeDue(estate.plain, '', estate.take(scale.people));
    beside.push(
      await p99(estate, async () => {
        const [report] = await estate.oubli.sweep({ rule: 'subject:user', ...WHOLE });
        if (report?.gone !== scale.people) throw new Error(`${report?.gone} of ${scale.people} people left`);
      }),
    );
  }
  const ratios = beside.map((ms, round) => ms / (alone[round] ?? ms));
  return {
    name: 'purge-traffic',
    title: `p99 of point traffic beside the purge of ${scale.people} people, to that without it`,
    ...{ rounds: scale.rounds, atMost: 1.5, ratio: quantile(ratios, 0.5) },
    between: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
    plainMs: quantile(alone, 0.5),
    triedMs: quantile(beside, 0.5),
  };
}

/** While the work is under way, and no longer. */
async function p99({ url, plain }: Estate, work: () => Promise<void>): Promise<number> {
  const [{ last }] = (await plain.raw('select max(id) as last from orders')).rows;
  const traffic = await startBenchProcess('traffic-process.ts', [url, String(last)]);
  await work();
  return quantile((await traffic.result()) as number[], 0.99);
}
