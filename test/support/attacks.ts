/** What somebody with all rights on the database does to the ledger: triggers off, and whatever statements she likes. */
import type { Knex } from 'knex';

const TABLES = ['ledger', 'ledger_link', 'ledger_head', 'ledger_told', 'ledger_fork', 'ledger_replayed'];

/** The triggers are as they were afterwards: nothing shows that they were off. */
export async function tamper(plain: Knex, ...statements: string[]): Promise<void> {
  await plain.transaction(async (trx) => {
    const { rows } = await trx.raw(
      `select c.relname as name from pg_class c where c.relnamespace = 'oubli'::regnamespace and c.relname = any(?)`,
      [TABLES],
    );
    const each = async (what: string): Promise<void> => {
      for (const { name } of rows) await trx.raw(`alter table oubli.${name} ${what}`);
    };
    await each('disable trigger all');
    for (const statement of statements) await trx.raw(statement);
    await each('enable trigger all');
    for (const [table, trigger] of [
      ['ledger', 'append_only'],
      ['ledger', 'linked'],
      ['ledger_link', 'append_only'],
      ['ledger_head', 'stays'],
    ])
      await trx.raw(`alter table oubli.${table} enable always trigger ${trigger}`);
  });
}
