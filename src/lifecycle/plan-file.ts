/**
 * A plan to be saved, looked at by a human, and applied later (DESIGN.md mechanism 7): what would be done, table by table, with what
 * it rests on. No personal data: people are numbers, and whoever asked for herself is a keyed reference. Pure; `survey.ts` counts.
 */
import { ConfigurationError, PlanDriftError } from '../errors';
import type { Action } from './step';

export interface PlannedTable {
  readonly table: string;
  readonly action: Action;
  readonly because?: string;
  /** Rows, as counted at the plan's moment. */
  readonly rows: number;
}

/** Whose plan it is: a rule's, or a person's who asked. */
export type PlanTarget =
  | { readonly rule: string }
  | {
      readonly kind: string;
      /** Hex: how the fence would name her. */
      readonly reference: string;
      /** Hex: the id of her key; none while nothing of hers was ever sealed. */
      readonly keyId?: string;
    };

export type Planned = PlanTarget & {
  /** People, or rows of the rule's table, that would leave. */
  readonly due: number;
  readonly tables: readonly PlannedTable[];
  /** What has to be declared first: with any of these, nothing can be applied. */
  readonly reviews: readonly { readonly table: string; readonly reason: string }[];
  /** SHA-256 of the steps and of the declarations, columns and foreign keys they rest on. */
  readonly fingerprint: string;
};

export interface PlanFile {
  readonly format: typeof PLAN_FORMAT;
  /** The installation, and the database it is in: a copy of it is another one. */
  readonly instance: string;
  readonly database: string;
  /** ISO 8601 in UTC, by the database's clock: who is due at this moment leaves. */
  readonly asOf: string;
  readonly plans: readonly Planned[];
}

export const PLAN_FORMAT = 'oubli plan 1';
/** A plan that is older says too little about today. */
export const PLAN_DAYS = 7;

/** @throws ConfigurationError BAD_PLAN_FILE */
export function parsedPlan(json: unknown): PlanFile {
  const file = json as PlanFile | null;
  const sound =
    typeof file === 'object' &&
    file?.format === PLAN_FORMAT &&
    typeof file.instance === 'string' &&
    typeof file.database === 'string' &&
    /^\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(file.asOf) &&
    Array.isArray(file.plans) &&
    file.plans.every(isPlanned);
  if (!sound) throw new ConfigurationError('BAD_PLAN_FILE', { given: String(file?.format) });
  return file;
}

function isPlanned(plan: Planned): boolean {
  const target = 'rule' in plan ? typeof plan.rule === 'string' : /^[0-9a-f]+$/.test(plan.reference);
  return target && Number.isInteger(plan.due) && typeof plan.fingerprint === 'string' && Array.isArray(plan.tables);
}

/** How a plan is named in messages. */
export function targetName(plan: PlanTarget): string {
  return 'rule' in plan ? plan.rule : `a ${plan.kind}`;
}

/**
 * What is not as it was planned, as sentences; none when the plan may be applied. Fewer who are due are no difference: somebody
 * returned, is held, or left already.
 * @param live the same, planned now as of the same moment
 */
export function differences(planned: PlanFile, live: PlanFile, ageInDays: number): string[] {
  if (planned.instance !== live.instance || planned.database !== live.database) {
    return [`it was made for another database (${planned.database}, this is ${live.database})`];
  }
  const age = ageInDays > PLAN_DAYS ? [`it is older than ${PLAN_DAYS} days`] : [];
  const future = ageInDays < 0 ? ["it is of a moment that the database's clock has not reached"] : [];
  return [...age, ...future, ...planned.plans.flatMap((plan, place) => differencesOf(plan, live.plans[place]))];
}

function differencesOf(plan: Planned, live: Planned | undefined): string[] {
  const name = targetName(plan);
  if (!live) return [`${name} is there no more`];
  const more = live.due > plan.due ? [`${name}: ${plan.due} were planned, ${live.due} are due`] : [];
  if (plan.fingerprint === live.fingerprint) return more;
  const steps = stepDifferences(plan, live);
  const rests = `${name}: declarations, columns or foreign keys that it rests on have changed`;
  return [...more, ...(steps.length > 0 ? steps : [rests])];
}

function stepDifferences(plan: Planned, live: Planned): string[] {
  const said = ({ tables }: Planned): Map<string, string> =>
    new Map(tables.map(({ table, action, because }) => [`${table} ${action}`, because ?? '']));
  const [before, now] = [said(plan), said(live)];
  return [
    ...[...before.keys()].filter((step) => !now.has(step)).map((step) => `${step} was planned, and is not to be done`),
    ...[...now.keys()].filter((step) => !before.has(step)).map((step) => `${step} was not planned`),
  ];
}

/** @throws PlanDriftError */
export function refuseDrift(found: readonly string[]): void {
  if (found.length > 0) throw new PlanDriftError('PLAN_DRIFT', { differences: found.join('; ') });
}
