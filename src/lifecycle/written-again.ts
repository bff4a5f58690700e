/**
 * What triggers write while somebody leaves (ERASURE.md G4): a history that is kept by a trigger gets her row once more at the very
 * moment when it is deleted. PostgreSQL counts what each table was written by, whoever wrote it: of a table whose rows
 * leave with her the new ones leave too, in the same transaction; of any other table nothing is guessed.
 */
import type { Catalogue, ForeignKey, Table } from '../catalogue/model';
import { joinChain, referringConditions, referringValue } from '../catalogue/path-sql';
import { ConfigurationError, PlanBlockedError } from '../errors';
import { type Queryable, quoteIdentifier as q, type Row } from '../queryable';
import { holderOfRows } from './families';
import { firingTriggers } from './firing';
import { LeftBehind } from './left-behind';
import type { Plan } from './plan';
import { Reviews } from './reviews';
import { belongsTo, fromName, rootType } from './root';
import { removesRows, type Step, type Way } from './step';

/** Rows that a table was written by so far, by OID. */
type Written = ReadonlyMap<number, number>;

/** How rows that come later are found, when those between them and the person are gone. */
interface Trail {
  readonly step: Step;
  readonly key: ForeignKey;
  /** The values of the rows that leave, by which others refer to them: one list for each column. */
  readonly values: readonly (readonly unknown[])[];
}

const COUNTS = `select current_setting('track_counts')::boolean as counts`;

/** Pending counts of earlier transactions are among them, so that only the difference means something. */
const WRITTEN = `
select relid::int8 as oid, n_tup_ins as inserted, n_tup_upd as updated from pg_catalog.pg_stat_xact_user_tables
where n_tup_ins + n_tup_upd > 0 and schemaname not in ('oubli', 'pgboss')`;

/** Triggers of the team's that wait for the commit. Ours have to: they look at the whole transaction. */
const WAITING = `
select distinct format('%I.%I', n.nspname, c.conname) as name
from pg_catalog.pg_constraint c join pg_catalog.pg_namespace n on n.oid = c.connamespace
where c.contype = 't' and c.condeferrable and n.nspname <> 'oubli'
  and not exists (select from pg_catalog.pg_trigger g join pg_catalog.pg_proc f on f.oid = g.tgfoid
                  where g.tgconstraint = c.oid and f.pronamespace = 'oubli'::regnamespace)`;

export class WrittenAgain {
  private constructor(
    private readonly catalogue: Catalogue,
    private readonly plan: Plan,
    private readonly before: Written,
    private readonly trails: readonly Trail[],
    private readonly leftBehind: LeftBehind,
  ) {}

  /** Before anything is touched. @returns undefined where no trigger of the team's can write anything */
  static async watch(
    catalogue: Catalogue,
    plan: Plan,
    connection: Queryable,
    names: readonly string[],
  ): Promise<WrittenAgain | undefined> {
    if (firingTriggers(catalogue, plan.steps).length === 0) return undefined;
    await refuseUncounted(connection);
    const leftBehind = await LeftBehind.note(catalogue, plan, connection, names);
    const trails: Trail[] = [];
    for (const step of plan.steps) {
      if (step.action !== 'delete' || step.shared) continue;
      for (const way of step.ways) {
        const trail = await trailOf(catalogue, plan, connection, step, way, names);
        if (trail) trails.push(trail);
      }
    }
    return new WrittenAgain(catalogue, plan, await written(connection, plan), trails, leftBehind);
  }

  /**
   * After the statement, and before the commit.
   * @throws PlanBlockedError TRIGGER_WROTE, TRIGGER_KEPT; all is undone then
   */
  async takeBack(connection: Queryable): Promise<void> {
    await letTriggersWrite(connection);
    const after = await written(connection, this.plan);
    const again = this.writtenSince(this.before, after);
    for (const table of again) await this.deleteFrom(connection, table);
    await this.leftBehind.refuse(connection);
    const unknown = again.find((table) => this.trailsTo(table).length === 0);
    const refused = unknown ?? this.writtenSince(after, await written(connection, this.plan))[0];
    if (refused) throw this.refusal(refused);
  }

  private writtenSince(before: Written, after: Written): Table[] {
    const grown = [...after].filter(([oid, rows]) => rows > (before.get(oid) ?? 0));
    const tables = grown.flatMap(([oid]) => holderOfRows(this.catalogue, oid) ?? []);
    return [...new Set(tables)].filter(
      (table) => !table.isArchive && !new Reviews(this.catalogue).isDeclaredHarmless(table),
    );
  }

  private async deleteFrom(connection: Queryable, table: Table): Promise<void> {
    for (const { key, values } of this.trailsTo(table)) {
      const types = key.references.map((name) => typeOf(this.catalogue.table(key.to) as Table, name));
      const same = types.map((type, i) => `${referringValue(key, i, 't')} = w.v${i}::${type}`);
      await connection.query(
        `delete from ${table.sqlName} t using unnest(${types.map((_, i) => `$${i + 1}::text[]`).join(', ')})
           w(${types.map((_, i) => `v${i}`).join(', ')})
         where ${[...same, ...referringConditions(key, 't')].join(' and ')}`,
        values.map((list) => [...list]),
      );
    }
  }

  private trailsTo(table: Table): Trail[] {
    return this.trails.filter(({ step }) => step.table === table);
  }

  private refusal({ displayName }: Table): PlanBlockedError {
    const { kind, root } = this.plan;
    return new PlanBlockedError('TRIGGER_WROTE', {
      table: displayName,
      kind: kind ?? root.displayName,
      root: root.displayName,
    });
  }
}

/** What triggers write would not be seen. */
async function refuseUncounted(connection: Queryable): Promise<void> {
  const [row] = (await connection.query(COUNTS)).rows;
  if (row?.counts !== true) throw new ConfigurationError('TRACK_COUNTS_OFF');
}

async function letTriggersWrite(connection: Queryable): Promise<void> {
  const { rows } = await connection.query(WAITING);
  if (rows.length > 0) await connection.query(`set constraints ${rows.map((row) => row.name).join(', ')} immediate`);
}

/** Rows of our own statement are told apart by what it does: it inserts nothing, and updates where rows stay. */
async function written(connection: Queryable, plan: Plan): Promise<Written> {
  const updated = new Set(plan.steps.filter((step) => !removesRows(step)).map(({ table }) => table.oid));
  const { rows } = await connection.query(WRITTEN);
  return new Map(
    rows.map((row: Row) => {
      const oid = Number(row.oid);
      return [oid, Number(row.inserted) + (updated.has(oid) ? 0 : Number(row.updated))];
    }),
  );
}

async function trailOf(
  catalogue: Catalogue,
  plan: Plan,
  connection: Queryable,
  step: Step,
  [key, ...rest]: Way,
  names: readonly string[],
): Promise<Trail | undefined> {
  const parent = key && catalogue.table(key.to);
  if (!key || !parent) return undefined;
  const chain = joinChain(catalogue, 'k', rest, plan.rootColumn);
  const values = key.references.map((name, i) => `k.${q(name)}::text as v${i}`).join(', ');
  const { rows } = await connection.query(
    `with root as materialized (select ${fromName(plan, 'w.name')} from unnest($1::text[]) w(name))
     select distinct ${values} from ${[`${parent.sqlName} k`, ...chain.tables, 'root r'].join(', ')} where ${belongsTo(plan, chain, 'r')}`,
    [names],
  );
  return { step, key, values: key.references.map((_, i) => rows.map((row) => row[`v${i}`])) };
}

function typeOf(root: Table, rootColumn: string): string {
  return rootType({ root, rootColumn });
}
