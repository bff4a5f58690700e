/**
 * Plans made and applied: for a rule whose run an operator wants to see first, or that the breaker stopped, and for a person's request
 * that two pairs of eyes have to pass. What is applied is what was planned, or nothing.
 */

import type { Table } from '../catalogue/model';
import { AlreadyErasedError, ConfigurationError } from '../errors';
import { afterSweeps } from '../lifecycle/after-sweep';
import { canonicalId } from '../lifecycle/canonical-id';
import type { Engine } from '../lifecycle/engine';
import { planErasure } from '../lifecycle/plan';
import { differences, type PlanFile, type Planned, parsedPlan, refuseDrift } from '../lifecycle/plan-file';
import { rulesNamed, rulesOf } from '../lifecycle/rule';
import { type Asked, surveyNamed, surveyPerson, surveyRules } from '../lifecycle/survey';
import { sweep } from '../lifecycle/sweep';
import type { SweepOptions, SweepReport } from '../lifecycle/sweep-report';
import type { Receipt } from '../registers/receipt';
import { erasePerson } from './erase';

export interface ApplyOptions extends Pick<SweepOptions, 'chunk' | 'signal' | 'seconds' | 'pace' | 'onAlarm'> {
  /** Why a person is erased who asked for herself; of a rule, the rule says it. */
  readonly because?: string;
  /** Who she is, where nothing of hers was ever sealed, so that no key leads to her. */
  readonly subject?: Asked;
}

export interface AppliedPlan {
  /** People, or rows, that were planned. */
  readonly planned: number;
  /** How many of them did not leave now: they returned, are held by others, or left in an earlier, interrupted attempt. */
  readonly fewer: number;
  /** Of a rule. */
  readonly report?: SweepReport;
  /** Of a person. */
  readonly receipt?: Receipt;
}

/** All rules, one of them, or one person. */
export interface PlanOf {
  readonly rule?: string;
  readonly subject?: Asked;
}

/** @throws ConfigurationError TWO_TARGETS, UNKNOWN_RULE, UNKNOWN_KIND */
export async function planOf(engine: Engine, { rule, subject }: PlanOf): Promise<PlanFile> {
  if (rule !== undefined && subject) throw new ConfigurationError('TWO_TARGETS');
  return subject ? surveyPerson(engine, { kind: subject.kind, id: String(subject.id) }) : surveyRules(engine, rule);
}

/**
 * Applies a saved plan. Interrupted at any moment, it is applied again and goes on where it was.
 * @throws PlanDriftError with every difference, when it is not what would be done now; nothing was touched
 * @throws ConfigurationError BAD_PLAN_FILE, PLAN_OF_NOBODY
 */
export async function applyPlanFile(engine: Engine, json: unknown, options: ApplyOptions = {}): Promise<AppliedPlan[]> {
  const file = parsedPlan(json);
  const person = file.plans.find(isPersons);
  return person ? [await applyRequest(engine, file, person, options)] : applyRules(engine, file, options);
}

type PersonsPlan = Extract<Planned, { kind: string }>;

function isPersons(plan: Planned): plan is PersonsPlan {
  return 'reference' in plan;
}

async function applyRules(engine: Engine, file: PlanFile, options: ApplyOptions): Promise<AppliedPlan[]> {
  const known = new Set(rulesOf(engine.catalogue).map(({ name }) => name));
  const names = file.plans.flatMap((plan) => ('rule' in plan ? [plan.rule] : []));
  refuseDrift(names.filter((name) => !known.has(name)).map((name) => `there is no rule ${name} any more`));
  const live = await surveyNamed(engine, names, file.asOf);
  refuseDrift(differences(file, live, await ageInDays(engine, file)));
  const applied: AppliedPlan[] = [];
  for (const [place, name] of names.entries()) {
    const [rule] = rulesNamed(engine.catalogue, name);
    const planned = file.plans[place]?.due ?? 0;
    if (!rule) continue;
    const report = await sweep(engine, rule, options, { asOf: file.asOf });
    applied.push({ planned, fewer: Math.max(0, planned - report.gone), report });
  }
  await afterSweeps(engine, options);
  return applied;
}

async function applyRequest(
  engine: Engine,
  file: PlanFile,
  plan: PersonsPlan,
  { because, subject }: ApplyOptions,
): Promise<AppliedPlan> {
  if (typeof because !== 'string' || because.trim() === '') throw new ConfigurationError('NO_BECAUSE');
  const id = subject ? await canonicalId(engine, plan.kind, subject.id) : await idOf(engine, plan);
  if (engine.keys.referenceOf(plan.kind, id).toString('hex') !== plan.reference) {
    throw new ConfigurationError('PLAN_OF_NOBODY', { kind: plan.kind });
  }
  const live = await surveyPerson(engine, { kind: plan.kind, id }, file.asOf);
  refuseDrift(differences(file, live, await ageInDays(engine, file)));
  const subjects = engine.catalogue.subjectTable(plan.kind) as Table; // the survey has found it
  const receipt = await erasePerson(engine, planErasure(engine.catalogue, subjects), id, because);
  return { planned: plan.due, fewer: 0, receipt };
}

/** By the id of her key, which is all that the file says of her. */
async function idOf({ database }: Engine, { kind, keyId, reference }: PersonsPlan): Promise<string> {
  return database.snapshot(async (connection) => {
    const link = 'select subject_id from oubli.subject_link where kind = $1 and key_id = any(oubli.names_of($2))';
    const [known] = keyId === undefined ? [] : (await connection.query(link, [kind, Buffer.from(keyId, 'hex')])).rows;
    if (known) return String(known.subject_id);
    const fenced = 'select 1 from oubli.fence where subject_reference = $1';
    const { rows } = await connection.query(fenced, [Buffer.from(reference, 'hex')]);
    if (rows.length > 0) throw new AlreadyErasedError('ALREADY_ERASED', { kind });
    throw new ConfigurationError('PLAN_OF_NOBODY', { kind });
  });
}

async function ageInDays({ database }: Engine, { asOf }: PlanFile): Promise<number> {
  return database.snapshot(async (connection) => {
    const age = `select extract(epoch from oubli.now() - $1::timestamptz) / 86400 as days`;
    return Number((await connection.query(age, [asOf])).rows[0]?.days);
  });
}
