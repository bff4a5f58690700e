/**
 * Plans with their figures, read in one READ ONLY transaction: what a dry run prints and a plan file holds. Nothing is written,
 * locked or created on the way, not even a key.
 */

import type { Catalogue } from '../catalogue/model';
import { suggest } from '../catalogue/suggest';
import { ConfigurationError } from '../errors';
import { type Queryable, quoteIdentifier as q } from '../queryable';
import { looking } from './branch';
import { canonicalIdIn } from './canonical-id';
import { DueRows } from './due-rows';
import type { Engine } from './engine';
import { foundationOf } from './fingerprint';
import { type Plan, planErasure } from './plan';
import { PLAN_FORMAT, type PlanFile, type Planned, type PlannedTable, type PlanTarget } from './plan-file';
import { fromName, nameOf, rootType } from './root';
import { type Rule, rulesNamed } from './rule';
import { planOf } from './rule-plan';

/** A person who asks for herself, as the application names her. */
export interface Asked {
  readonly kind: string;
  readonly id: string;
}

const MOMENT = `
select to_char(oubli.now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "asOf",
  d.datname || ' ' || d.oid as database
from pg_catalog.pg_database d where d.datname = current_database()`;

/** @param rule all rules where undefined */
export function surveyRules(engine: Engine, rule: string | undefined): Promise<PlanFile> {
  return survey(engine, undefined, (connection, moment) =>
    inTurn(rulesNamed(engine.catalogue, rule), (each) => surveyRule(engine, connection, each, moment)),
  );
}

/** Some of the rules, where they are there. */
export function surveyNamed(engine: Engine, names: readonly string[], asOf: string): Promise<PlanFile> {
  return survey(engine, asOf, (connection, moment) =>
    inTurn(
      names.flatMap((name) => rulesNamed(engine.catalogue, name)),
      (each) => surveyRule(engine, connection, each, moment),
    ),
  );
}

export function surveyPerson(engine: Engine, asked: Asked, asOf?: string): Promise<PlanFile> {
  return survey(engine, asOf, async (connection) => [await surveyAsked(engine, connection, asked)]);
}

async function survey(
  { catalogue, database }: Engine,
  asOf: string | undefined,
  plans: (connection: Queryable, asOf: string) => Promise<Planned[]>,
): Promise<PlanFile> {
  return database.snapshot(async (connection) => {
    const [now] = (await connection.query(MOMENT)).rows;
    const moment = asOf ?? String(now?.asOf);
    return {
      format: PLAN_FORMAT,
      instance: Buffer.from(catalogue.instance).toString('hex'),
      database: String(now?.database),
      asOf: moment,
      plans: await plans(connection, moment),
    };
  });
}

async function surveyRule(engine: Engine, connection: Queryable, rule: Rule, asOf: string): Promise<Planned> {
  const plan = planOf(engine, rule);
  const source = await new DueRows(rule, plan, engine.catalogue, asOf).leaving(connection);
  return { rule: rule.name, ...(await surveyed(engine, connection, plan, rule, source, [])) };
}

async function surveyAsked(engine: Engine, connection: Queryable, { kind, id: named }: Asked): Promise<Planned> {
  const subjects = engine.catalogue.subjectTable(kind);
  const kinds = engine.catalogue.subjectKinds;
  if (!subjects)
    throw new ConfigurationError('UNKNOWN_KIND', { given: kind, suggestion: suggest(kind, kinds) ?? kinds[0] });
  const id = await canonicalIdIn(engine.catalogue, connection, kind, named);
  const plan = planErasure(engine.catalogue, subjects);
  const source = `${subjects.sqlName} t where t.${q(plan.rootColumn)} = $1::${rootType(plan)}`;
  const target = await targetOf(engine, connection, { kind, id });
  return { ...target, ...(await surveyed(engine, connection, plan, undefined, source, [id])) };
}

async function targetOf({ keys }: Engine, connection: Queryable, { kind, id }: Asked): Promise<PlanTarget> {
  const link = 'select key_id from oubli.subject_link where kind = $1 and subject_id = $2 and key_id is not null';
  const [known] = (await connection.query(link, [kind, id])).rows;
  return {
    kind,
    reference: keys.referenceOf(kind, id).toString('hex'),
    ...(known ? { keyId: Buffer.from(known.key_id as Uint8Array).toString('hex') } : {}),
  };
}

async function surveyed(
  { catalogue }: Engine,
  connection: Queryable,
  plan: Plan,
  rule: Rule | undefined,
  source: string,
  parameters: unknown[],
): Promise<Omit<Planned, keyof PlanTarget | 'rule'>> {
  const counted = await connection.query(countingStatement(catalogue, plan, source), parameters);
  const { due, ...counts } = counted.rows[0] as Record<string, string>;
  const [print] = (
    await connection.query(`select encode(sha256(convert_to($1, 'UTF8')), 'hex') as print`, [
      foundationOf(catalogue, plan, rule),
    ])
  ).rows;
  const tables = plan.steps.map(
    ({ table, action, because }, place): PlannedTable => ({
      table: table.displayName,
      action,
      ...(because === undefined ? {} : { because }),
      rows: Number(counts[`s${place}`]),
    }),
  );
  return { due: Number(due), tables, reviews: plan.reviews, fingerprint: String(print?.print) };
}

/** The rows that each step would find, in one statement and so at one moment. */
function countingStatement(catalogue: Catalogue, plan: Plan, source: string): string {
  const steps = plan.steps.flatMap((step, place) => looking(catalogue, plan, step, `s${place}`));
  const counts = plan.steps.map((_, place) => `(select count(*) from s${place}) as s${place}`);
  return `
with root as materialized (
  select '\\x'::bytea as tag, null::bytea as retained, null::jsonb as fakes, ${fromName(plan, 'w.name')} from (select ${nameOf(plan, 't')} as name from ${source}) w),
${steps.join(',\n')}
select ${['(select count(*) from root) as due', ...counts].join(', ')}`;
}

async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}
