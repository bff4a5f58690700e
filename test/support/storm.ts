/**
 * A storm: workers in processes of their own, of which each is struck down at a request chosen by a seeded die, by `kill -9`, or
 * with the whole server by an immediate shutdown. After each blow the database is looked at; in the end one worker is left alone.
 */
import { en, Faker } from '@faker-js/faker';
import type { FaultyWire } from './faulty-wire';
import type { Worker } from './worker';

export interface Storm {
  readonly wire: FaultyWire;
  readonly blows: number;
  readonly seed: number;
  /** Of a worker's requests, start included, the last one that may be struck at. */
  readonly requests: number;
  /** What the next worker finds to do. */
  prepare?(blow: number): Promise<void>;
  start(url: string): Pick<Worker, 'output' | 'kill'>;
  /** Strikes besides the worker: the server, if it is to fall. */
  strike?(): Promise<void>;
  /** Throws when something is between. */
  check(): Promise<void>;
}

/** @returns how many workers were struck down; the others had ended before */
export async function rage(storm: Storm): Promise<number> {
  const die = new Faker({ locale: en, seed: storm.seed });
  let struck = 0;
  for (let blow = 0; blow < storm.blows; blow++) {
    await storm.prepare?.(blow);
    struck += await blowOnce(storm, die);
    await storm.check();
  }
  storm.wire.disarm();
  await storm.start(storm.wire.url).output;
  await storm.check();
  return struck;
}

async function blowOnce(storm: Storm, die: Faker): Promise<number> {
  const { wire, requests } = storm;
  const cut = die.datatype.boolean() ? 'unsent' : 'unanswered';
  let worker: ReturnType<Storm['start']> | undefined;
  let blow: Promise<void> | undefined;
  wire.arm(die.number.int({ min: 1, max: requests }), cut, () => {
    blow = Promise.all([worker?.kill(), storm.strike?.()]).then(() => undefined);
    // the wire goes on when the worker is gone, or with the request on its way, as the die fell
    return cut === 'unsent' ? blow : undefined;
  });
  worker = storm.start(wire.url);
  await worker.output;
  await blow;
  return wire.hasStruck ? 1 : 0;
}
