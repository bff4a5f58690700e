/** Two worker processes on one rule, against one. */
import { type Measured, measure } from '../rounds';
import { type Estate, makeDue } from './estate';
import { type BenchProcess, startBenchProcess } from './processes';
import { asSpeed } from './purge';

export async function measureWorkers(estate: Estate, people: number, rounds: number): Promise<Measured> {
  const side = (count: number) => {
    let workers: BenchProcess[] = [];
    return {
      prepare: async () => {
        await makeDue(estate.plain, '', estate.take(people));
        const args = [estate.url, estate.keyFile];
        workers = await Promise.all(Array.from({ length: count }, () => startBenchProcess('worker-process.ts', args)));
      },
      run: async () => {
        for (const worker of workers) worker.go();
        const reports = (await Promise.all(workers.map((worker) => worker.result()))) as { gone: number }[][];
        const gone = reports.reduce((sum, [report]) => sum + (report?.gone ?? 0), 0);
        if (gone !== people) throw new Error(`${gone} of ${people} people left`);
      },
    };
  };
  const measured = await measure({
    name: 'workers',
    title: `${people} people by two worker processes (speed, to one)`,
    ...{ rounds, atMost: undefined, plain: side(1), tried: side(2) },
  });
  return asSpeed(measured, 1.5);
}
