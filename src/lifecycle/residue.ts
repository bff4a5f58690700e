/**
 * The residue probe (ERASURE.md L5): after the plan and before the commit, what the people who leave are known by is looked for
 * in every text and JSON column of the database, declared or not. A hit outside of the plan is for a human to look at, and
 * no success. What was not looked through is said, with the reason.
 */
import { afterwards } from '../afterwards';
import type { Queryable } from '../queryable';
import type { ResidueHit, Unseen } from '../registers/examined';
import { isLocked, isTooLong } from './database';
import type { Engine } from './engine';
import { type Identifiers, identifiersOf } from './identifiers';
import type { Plan } from './plan';
import { residueStatement } from './residue-statement';
import { type SearchedTable, searchedTables } from './searched-tables';

/** What is found, of whom: `person` as the plan names her. */
export interface Residue {
  readonly hits: readonly (ResidueHit & { readonly person: string })[];
  readonly unseen: readonly Unseen[];
  /** Tables that were looked through to the end. */
  readonly tables: number;
}

/** Every table, in a receipt. */
const ALL = '*';

/**
 * @param names of people who are locked in this transaction
 * @param probe.milliseconds that it may take in all
 */
export async function findResidue(
  engine: Engine,
  plan: Plan,
  connection: Queryable,
  names: readonly string[],
  { milliseconds, ofRun }: { readonly milliseconds: number; readonly ofRun?: true },
): Promise<Residue> {
  const until = performance.now() + milliseconds;
  const tables = await searchedTables(ofRun ? undefined : engine.catalogue, connection);
  const identifiers = await identifiersOf(engine, plan, connection, names);
  const cutOff = identifiers.cutOff.map((table) => ({
    table,
    why: 'only its first rows were read for what she is known by',
  }));
  cutOff.push(
    ...identifiers.closed.map((table) => ({ table, why: 'this role may not read what she is known by in it' })),
  );
  if (identifiers.all.length === 0) {
    const why = 'nothing is known of her that is telling enough to be looked for';
    return { hits: [], unseen: [...cutOff, { table: ALL, why }], tables: 0 };
  }
  if (await wouldBeLogged(connection)) {
    const why = 'this server logs parameters, and this role may not set log_parameter_max_length';
    return { hits: [], unseen: [{ table: ALL, why }], tables: 0 };
  }
  const search = new Search(engine, plan, connection, names, identifiers);
  for (const table of tables) await search.through(table, Math.floor(until - performance.now()));
  return { hits: search.hits, unseen: [...cutOff, ...search.unseen], tables: search.tables };
}

/** Parameters must not be written to the server's log: they are silenced for this transaction where the role may do that. */
async function wouldBeLogged(connection: Queryable): Promise<boolean> {
  return Boolean((await connection.query('select oubli.parameters_are_logged() as logged')).rows[0]?.logged);
}

class Search {
  readonly hits: (ResidueHit & { person: string })[] = [];
  readonly unseen: Unseen[] = [];
  tables = 0;

  constructor(
    private readonly engine: Engine,
    private readonly plan: Plan,
    private readonly connection: Queryable,
    private readonly names: readonly string[],
    private readonly identifiers: Identifiers,
  ) {}

  /** @param left milliseconds */
  async through(table: SearchedTable, left: number): Promise<void> {
    const why = table.closed ?? (left <= 0 ? 'the time was over' : await this.tried(table, left));
    if (why !== undefined) this.unseen.push({ table: table.displayName, why });
    else this.tables += 1;
  }

  /** In a savepoint of its own, which takes a statement that was too long back and leaves the transaction usable. */
  private async tried(table: SearchedTable, left: number): Promise<string | undefined> {
    const { connection } = this;
    await connection.query('savepoint oubli_probe');
    return afterwards(
      () => this.within(table, left),
      async () => {
        // settings of before come back with it, and nothing was written
        await connection.query('rollback to savepoint oubli_probe');
        await connection.query('release savepoint oubli_probe');
      },
    );
  }

  private async within(table: SearchedTable, left: number): Promise<string | undefined> {
    try {
      await this.connection.query(`select set_config('statement_timeout', $1, true)`, [`${left}ms`]);
      await this.search(table);
      return undefined;
    } catch (error) {
      if (isTooLong(error)) return 'the time was over';
      if (isLocked(error)) return 'somebody had it locked';
      throw error;
    }
  }

  private async search(table: SearchedTable): Promise<void> {
    const all = [...new Map(this.identifiers.all.map((each) => [JSON.stringify(Object.values(each)), each])).values()];
    const sql = residueStatement(this.engine.catalogue, this.plan, table, all.length);
    const parameters = [
      this.names,
      all.map(({ person }) => person),
      all.map(({ source }) => source),
      all.map(({ text }) => text),
    ];
    const { rows } = await this.connection.query(sql, parameters);
    for (const { person, column, rows: count } of rows) {
      this.hits.push({ person: String(person), table: table.displayName, column: String(column), rows: Number(count) });
    }
  }
}
