/**
 * The metrics as OpenTelemetry instruments. `@opentelemetry/api` is the application's own, if it has it: its meter is taken by its
 * shape, and looked for only when none is given.
 */
import { ConfigurationError } from '../errors';
import type { RuleMetrics } from './metrics';

/** An instrument whose values are asked for at each collection. */
export type InstrumentLike = object;

export interface ObserverLike {
  observe(instrument: never, value: number, attributes?: Record<string, string>): void;
}

/** The part of an OpenTelemetry Meter used here. */
export interface MeterLike {
  createObservableGauge(name: string, options?: { description?: string; unit?: string }): InstrumentLike;
  createObservableCounter(name: string, options?: { description?: string; unit?: string }): InstrumentLike;
  addBatchObservableCallback(callback: (observer: ObserverLike) => Promise<void>, instruments: never[]): void;
  removeBatchObservableCallback(callback: (observer: ObserverLike) => Promise<void>, instruments: never[]): void;
}

/** @returns ends the observation */
export async function observed(measure: () => Promise<RuleMetrics[]>, given?: MeterLike): Promise<() => void> {
  const meter = given ?? (await globalMeter());
  const of = (name: string, description: string, unit: string): [string, { description: string; unit: string }] => [
    `oubli.sweep.${name}`,
    { description, unit },
  ];
  const due = meter.createObservableGauge(...of('due', 'due under the rule at this moment', '{row}'));
  const overdue = meter.createObservableGauge(...of('overdue', 'due for more than a day', '{row}'));
  const success = meter.createObservableGauge(...of('last_success', 'when a sweep last came to its end', 's'));
  const gone = meter.createObservableCounter(...of('gone', 'left under the rule', '{row}'));
  const instruments = [due, overdue, success, gone] as never[];
  const collect = async (observer: ObserverLike): Promise<void> => {
    for (const each of await measure()) {
      const attributes = { 'oubli.rule': each.rule };
      observer.observe(due as never, each.due, attributes);
      observer.observe(overdue as never, each.overdue, attributes);
      observer.observe(gone as never, each.gone, attributes);
      // no value rather than 1970, before there was a first
      if (each.lastSuccessAt) observer.observe(success as never, each.lastSuccessAt.getTime() / 1000, attributes);
    }
  };
  meter.addBatchObservableCallback(collect, instruments);
  return () => meter.removeBatchObservableCallback(collect, instruments);
}

async function globalMeter(): Promise<MeterLike> {
  const { metrics } = await import('@opentelemetry/api').catch((cause: unknown) => {
    const error = new ConfigurationError('NO_OPENTELEMETRY');
    error.cause = cause;
    throw error;
  });
  return metrics.getMeter('oubli') as unknown as MeterLike;
}
