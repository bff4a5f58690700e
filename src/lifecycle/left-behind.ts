/**
 * What triggers leave behind of somebody who leaves (ERASURE.md A1, L3): a BEFORE trigger may keep a row that was to be deleted, or put
 * back a value that was taken out, and the statement counts what it was told. Her rows are noted by their own keys before it,
 * for what leads to them may be gone afterwards, and looked at again before the commit. Only where the team has triggers.
 */
import type { Catalogue, Column, Table } from '../catalogue/model';
import { joinChain, referringValue } from '../catalogue/path-sql';
import { PlanBlockedError } from '../errors';
import { type Queryable, quoteIdentifier as q } from '../queryable';
import { stillPersonal } from './anonymise';
import { unlessTaken } from './branch';
import { firingTriggers } from './firing';
import type { Plan } from './plan';
import { belongsTo, fromName, rootType } from './root';
import { keptShares } from './shared-rows';
import { removesRows, type Step, type Way } from './step';

/** Rows that one way leads to, and what must not be true of them afterwards. */
interface Look {
  readonly step: Step;
  readonly way: Way;
  /** SQL over the row `t`, and `w` with what was noted of it. */
  readonly left: string;
  /** SQL of what is noted beside the row's name, as text: in `w` after it. */
  readonly noted: readonly string[];
}

interface Noted extends Look {
  /** One list for each column of `w`: the table that stores the row, what names it there, then what `noted` says. */
  readonly columns: readonly (readonly unknown[])[];
}

export class LeftBehind {
  private constructor(
    private readonly catalogue: Catalogue,
    private readonly plan: Plan,
    private readonly looks: readonly Noted[],
  ) {}

  /**
   * Before anything is touched; the rows stay locked, so that nobody else's work is taken for a trigger's. In one order, for a row of
   * several people may be looked at for each of them at once.
   */
  static async note(
    catalogue: Catalogue,
    plan: Plan,
    connection: Queryable,
    names: readonly string[],
  ): Promise<LeftBehind> {
    const looks: Noted[] = [];
    for (const look of plan.steps.flatMap(looksAt).filter(({ left }) => left !== 'false')) {
      const { rows } = await connection.query(noting(catalogue, plan, look), [names]);
      const columns = ['part', ...selected(look).map((_, i) => `k${i}`)];
      if (rows.length > 0) looks.push({ ...look, columns: columns.map((name) => rows.map((row) => row[name])) });
    }
    return new LeftBehind(catalogue, plan, looks);
  }

  /**
   * After the statement, and before the commit.
   * @throws PlanBlockedError TRIGGER_KEPT; all is undone then
   */
  async refuse(connection: Queryable): Promise<void> {
    for (const look of this.looks) {
      const { rows } = await connection.query(
        lookingAgain(look),
        look.columns.map((list) => [...list]),
      );
      if (rows.length > 0) throw this.refusal(look.step);
    }
  }

  private refusal(step: Step): PlanBlockedError {
    const { kind, root, steps } = this.plan;
    const own = firingTriggers(this.catalogue, [step]);
    const triggers = own.length > 0 ? own : firingTriggers(this.catalogue, steps);
    return new PlanBlockedError('TRIGGER_KEPT', {
      table: step.table.displayName,
      kind: kind ?? root.displayName,
      what: removesRows(step) ? 'rows that were to leave' : 'what was to be taken out of its rows',
      triggers: triggers.map(({ table, name }) => `${name} on ${table.displayName}`).join(', '),
    });
  }
}

function looksAt(step: Step): Look[] {
  const { table, action, shared, ways } = step;
  switch (action) {
    case 'delete':
    case 'archive':
      // of rows of several people nothing of hers is left, wherever they stay: that is looked at with those that have to
      return shared ? [] : ways.map((way) => ({ step, way, left: 'true', noted: [] }));
    case 'anonymise':
      return shared
        ? shared.shares.map(({ way, columns }) => ({ step, way, left: stillPersonal(table, 't', columns), noted: [] }))
        : ways.map((way) => ({ step, way, left: stillPersonal(table, 't'), noted: [] }));
    case 'detach':
      return shared
        ? shared.shares.map(({ way, detaches }) =>
            stillReferring(
              step,
              way,
              detaches.map((name) => `t.${q(name)}`),
            ),
          )
        : ways.map((way) => stillReferring(step, way, emptiedBy(table, way)));
    case 'keep':
      return keptShares(step).map(({ way, columns }) => ({ step, way, left: underLostKey(columns), noted: [] }));
  }
}

/** A trigger may lead the row elsewhere; not back to her. @param emptied SQL of what was to be NULL */
function stillReferring(step: Step, way: Way, emptied: readonly string[]): Look {
  const before = namesOf(step.table).length;
  const same = emptied.map((value, i) => `(${value})::text = w.k${before + i}`);
  return { step, way, left: same.join(' and ') || 'false', noted: emptied.map((value) => `(${value})::text`) };
}

function emptiedBy(table: Table, [key]: Way): string[] {
  if (!key) return [];
  return key.columns.flatMap((name, i) =>
    key.declared?.path || table.columns.get(name)?.notNull === false ? [referringValue(key, i, 't')] : [],
  );
}

/** What the law keeps was sealed anew: what a trigger put back could not be opened by anybody. */
function underLostKey(columns: readonly Column[]): string {
  const lost = columns.map(({ name }) => {
    const keyId = `oubli.key_id(t.${q(name)}::bytea)`;
    return `${keyId} is not null and not exists (select from oubli.subject_key k where k.key_id = ${keyId})`;
  });
  return lost.join(' or ');
}

function noting(catalogue: Catalogue, plan: Plan, look: Look): string {
  const { step, way } = look;
  const chain = joinChain(catalogue, 't', way, plan.rootColumn);
  const from = [`${step.table.sqlName} t`, ...chain.tables, 'root r'].join(', ');
  const where = [belongsTo(plan, chain, 'r'), ...unlessTaken(catalogue, plan, step)].join(' and ');
  const columns = selected(look).map((value, i) => `${value} as k${i}`);
  return `
with root as materialized (select ${fromName(plan, 'w.name')} from unnest($1::text[]) w(name))
select ${['t.tableoid::bigint::text as part', ...columns].join(', ')} from ${from} where ${where}
order by t.tableoid, t.ctid for update of t`;
}

function lookingAgain({ step: { table }, noted, left }: Look): string {
  const keys = namesOf(table);
  const all = ['part', ...keys.map((_, i) => `k${i}`), ...noted.map((_, i) => `k${keys.length + i}`)];
  const lists = all.map((_, i) => `$${i + 1}::${i === 0 ? 'oid' : 'text'}[]`);
  const same = keys.map(({ column, type }, i) => `${column} = w.k${i}::${type}`);
  return `
select from unnest(${lists.join(', ')}) w(${all.join(', ')}) join ${table.sqlName} t on ${['t.tableoid = w.part', ...same].join(' and ')}
where ${left} limit 1`;
}

function selected({ step, noted }: Look): string[] {
  return [...namesOf(step.table).map(({ column }) => `${column}::text`), ...noted];
}

/** What tells the rows of a table apart; without a key, where they stand: a row that was only deleted stood there to the end. */
function namesOf(table: Table): { readonly column: string; readonly type: string }[] {
  if (table.primaryKey.length === 0) return [{ column: 't.ctid', type: 'tid' }];
  return table.primaryKey.map((name) => ({
    column: `t.${q(name)}`,
    type: rootType({ root: table, rootColumn: name }),
  }));
}
