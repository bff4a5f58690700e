/** What a sweep is told, and what it tells: options, the report, and alarms. Numbers and names of rules, never a person. */

import type { ResidueHit } from '../registers/examined';
import type { BreakerOptions } from './breaker';
import type { HeldBack } from './deferred';
import type { OnNotice } from './notices';
import type { PaceOptions } from './pace';

export interface SweepOptions {
  /** Only this rule, by its name: `subject:user`, `rows:public.invoices`. */
  readonly rule?: string;
  /**
   * People, or rows, per transaction, always so many. Unless said, the size is steered towards 100 ms a transaction, so that
   * nobody waits long for a row (RUNTIME: the p99 of traffic stays at its baseline).
   */
  readonly chunk?: number;
  /** Stops between two chunks, and ends a pause at once. */
  readonly signal?: AbortSignal;
  /** Stops after so many seconds; what is left is still due. Without a limit unless said. */
  readonly seconds?: number;
  /** What is too much for one run: 5 % of the people of a kind, 20 % of the rows of a table. */
  readonly breaker?: BreakerOptions;
  /** How much of the time belongs to others, and when a sweep waits. */
  readonly pace?: PaceOptions;
  /**
   * Whether everybody is looked for in every text and JSON column before she leaves: `'off'` unless said, for each chunk
   * reads every such table once. Who stands elsewhere is put off, and reported.
   */
  readonly probe?: 'off' | 'each';
  /** When the tables that were touched are vacuumed: `'after'` the sweep unless said, or `'later'`, by `vacuum()` in a quiet hour. */
  readonly vacuum?: 'after' | 'later';
  /** Sends a notice to a person whose end comes near; called before the sweep of a rule that asks for notices. */
  readonly onNotice?: OnNotice;
  /** Told when a run was stopped, or ended with somebody still due: while there is time before the date is missed. */
  readonly onAlarm?: (alarm: Alarm) => void;
}

export interface SweepReport {
  readonly rule: string;
  /** People, or rows, that left. */
  readonly gone: number;
  /** Transactions in which they did; a partition that was dropped as a whole is one. */
  readonly chunks: number;
  /** Due, but locked by others at this moment, or not to be taken: the next sweep tries them again. Counted up to 100,000. */
  readonly stillDue: number;
  /** How many of these were locked by others, each time they were tried. */
  readonly locked: number;
  /** How many notices were sent before it, where the rule asks for them. */
  readonly noticed?: number;
  /** Due, and held: by which case, and how many. Not among those that are still due; tried again when nothing holds them. */
  readonly held: readonly HeldBack[];
  /** False when it was stopped before its end. */
  readonly finished: boolean;
  /** Where people stand who were put off for that; only of a sweep with `probe: 'each'`. */
  readonly residue?: readonly ResidueHit[];
}

export interface Alarm {
  /** `breaker`: too much was due at once, nothing was touched. `left`: a run ended, and this much is due and did not leave. */
  readonly what: 'breaker' | 'left';
  readonly rule: string;
  /** People, or rows, as far as they were counted. */
  readonly count: number;
}
