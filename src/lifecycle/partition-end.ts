/**
 * The end of a partition: noted, detached CONCURRENTLY, looked through once more under a lock, then dropped with its entry in the
 * ledger in one transaction. What was interrupted anywhere is finished by the next run; what may not go after all is attached again.
 */
import { quoteLiteral as literal, type Queryable } from '../queryable';
import { isLocked } from './database';
import { endedPartitions, type Partition, partitioningAnchor, rowsIfAllMayGo } from './ended-partitions';
import type { Engine } from './engine';
import type { Plan } from './plan';
import type { Rule } from './rule';
import { becauseOf } from './rule-plan';

export interface EndedRows {
  readonly partitions: number;
  readonly rows: number;
  /** Partitions that are on their way out and locked by others: the next run goes on. */
  readonly waiting: number;
}

const PATIENCE = '5s';
/** Another partition of the table is half detached (object not in prerequisite state): PostgreSQL has one at a time be so. */
const PENDING_BESIDE = '55000';
/** Other objects depend on it (PostgreSQL manual, appendix A), or rows refer to it. */
const DEPENDED_ON = new Set(['2BP01', '23503']);

/** By the table and not by the rule's name, which follows the name of the table. */
const BEGUN = `
select e.rel::oid::bigint::text as rel, e.rel::text as name, e.parent::text as parent, e.bound, false as "besideDefault",
  c.oid is not null as there, i.inhrelid is not null as attached, coalesce(i.inhdetachpending, false) as pending
from oubli.ending_partition e left join pg_catalog.pg_class c on c.oid = e.rel
left join pg_catalog.pg_inherits i on i.inhrelid = e.rel and i.inhparent = e.parent
where e.parent in (select t.relid from pg_partition_tree($1::oid::regclass) t)`;
const NOTE = `
insert into oubli.ending_partition (rel, rule, parent, bound) values ($1::oid::regclass, $2, $3::regclass, $4) on conflict do nothing`;
export const FORGET = 'delete from oubli.ending_partition where rel = $1::oid returning rule';
/** Two processes do not end the partitions of one rule at once. */
const MINE = 'select pg_try_advisory_lock(hashtextextended($1, 0)) as mine';
const SETTINGS = `select set_config('lock_timeout', $1, true), pg_advisory_xact_lock(hashtextextended($2, 0))`;

/** @param asOf what is past its date at this moment; now where undefined */
export async function endPartitions(
  engine: Engine,
  rule: Rule,
  plan: Plan,
  stopping: AbortSignal,
  asOf?: string,
): Promise<EndedRows> {
  const anchor = partitioningAnchor(rule, plan);
  if (anchor === undefined) return { partitions: 0, rows: 0, waiting: 0 };
  const at = asOf === undefined ? 'oubli.now()' : `timestamptz ${literal(asOf)}`;
  return new PartitionEnds(engine, rule, plan, at).run(anchor, stopping);
}

class PartitionEnds {
  private partitions = 0;
  private rows = 0;
  private waiting = 0;

  constructor(
    private readonly engine: Engine,
    private readonly rule: Rule,
    private readonly plan: Plan,
    private readonly at: string,
  ) {}

  async run(anchor: string, stopping: AbortSignal): Promise<EndedRows> {
    for (const begun of await this.begun()) await this.step(begun, (connection) => this.resume(connection, begun));
    for (const each of await endedPartitions(this.engine, this.rule, anchor, this.at)) {
      if (stopping.aborted) break;
      const may = await this.engine.database.snapshot((snapshot) => this.rowsOf(snapshot, each));
      if (may === undefined) continue;
      await this.step(each, (connection) => this.detach(connection, each));
    }
    const { partitions, rows, waiting } = this;
    return { partitions, rows, waiting };
  }

  private async begun(): Promise<Begun[]> {
    const { rows } = await this.engine.database.transaction((connection) =>
      connection.query(BEGUN, [this.rule.table.oid]),
    );
    return rows as unknown as Begun[];
  }

  /** @param detach on a connection without a transaction, as DETACH … CONCURRENTLY wants it; whether to go on and drop it */
  private async step(partition: Partition, detach: (connection: Queryable) => Promise<boolean>): Promise<void> {
    try {
      if (await this.alone(partition, detach)) await this.drop(partition);
    } catch (error) {
      if (!isLocked(error) && !isPendingBeside(error)) throw error;
      this.waiting += 1;
    }
  }

  private alone(partition: Partition, work: (connection: Queryable) => Promise<boolean>): Promise<boolean> {
    const lock = lockOf(partition);
    return this.engine.database.outside(PATIENCE, async (connection) => {
      const [{ mine } = {}] = (await connection.query(MINE, [lock])).rows;
      if (mine !== true) return false;
      return work(connection);
    });
  }

  private async detach(connection: Queryable, partition: Partition): Promise<boolean> {
    const { rel, name, parent, bound, besideDefault } = partition;
    await connection.query(NOTE, [rel, this.rule.name, parent, bound]);
    try {
      await connection.query(`alter table ${parent} detach partition ${name}${besideDefault ? '' : ' concurrently'}`);
      return true;
    } catch (error) {
      if (!isDependedOn(error)) throw error;
      await connection.query(FORGET, [rel]);
      return false;
    }
  }

  /** What another run began and could not end. */
  private async resume(connection: Queryable, begun: Begun): Promise<boolean> {
    const { rel, name, parent, there, attached, pending } = begun;
    if (!there || (attached && !pending)) {
      await connection.query(FORGET, [rel]);
      return false;
    }
    if (pending) await connection.query(`alter table ${parent} detach partition ${name} finalize`);
    return true;
  }

  private async drop(partition: Partition): Promise<void> {
    const rows = await this.engine.database.transaction(async (connection) => {
      await connection.query(SETTINGS, [PATIENCE, lockOf(partition)]);
      // another process may have ended it meanwhile
      if ((await connection.query(FORGET, [partition.rel])).rows.length === 0) return undefined;
      const rows = await this.dropped(connection, partition);
      if (rows === undefined) await this.attach(connection, partition);
      return rows;
    });
    this.partitions += rows === undefined ? 0 : 1;
    this.rows += rows ?? 0;
  }

  private rowsOf(connection: Queryable, partition: Partition): Promise<number | undefined> {
    const { engine, rule, plan, at } = this;
    return rowsIfAllMayGo(engine, connection, rule, plan, partition, at);
  }

  /** @returns undefined when it has to stay */
  private async dropped(connection: Queryable, partition: Partition): Promise<number | undefined> {
    const { engine, rule } = this;
    await connection.query(`lock table ${partition.name} in access exclusive mode`);
    const rows = await this.rowsOf(connection, partition);
    if (rows === undefined) return undefined;
    await connection.query('savepoint partition');
    try {
      await connection.query(`drop table ${partition.name}`);
    } catch (error) {
      if (!isDependedOn(error)) throw error;
      await connection.query('rollback to savepoint partition');
      return undefined;
    }
    const table = { table: rule.table.displayName, action: 'delete', rows };
    const details = { rule: rule.table.displayName, partition: partition.name.replaceAll('"', ''), tables: [table] };
    await engine.ledger.record(connection, [{ act: 'expired', because: becauseOf(rule), details }]);
    return rows;
  }

  private async attach(connection: Queryable, { name, parent, bound }: Partition): Promise<void> {
    await connection.query(`alter table ${parent} attach partition ${name} ${bound}`);
  }
}

interface Begun extends Partition {
  readonly there: boolean;
  readonly attached: boolean;
  readonly pending: boolean;
}

export function lockOf({ rel }: { readonly rel: string }): string {
  return `oubli partition ${rel}`;
}

function isDependedOn(error: unknown): boolean {
  return DEPENDED_ON.has(String((error as { code?: string }).code));
}

function isPendingBeside(error: unknown): boolean {
  return (error as { code?: string }).code === PENDING_BESIDE;
}
