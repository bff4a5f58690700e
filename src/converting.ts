/** Assembly of what converts a whole table, `backfill` and `unprotect`: by the schema as it is, which is another one afterwards. */
import type { Table } from './catalogue/model';
import { tableNamed } from './catalogue/table-name';
import type { Seam } from './knex/seam';
import type { Transactions } from './registers/teller';
import type { ReleaseParts } from './schema/release';

/** A table's rows, and then its types, become others: by the schema as it is, which is another one afterwards. */
export async function converting<Report>(
  seam: Seam,
  database: Transactions,
  name: string,
  call: string,
  convert: (parts: ReleaseParts, table: Table) => Promise<Report>,
): Promise<Report> {
  await seam.freshen();
  const table = tableNamed(seam.catalogue, name, call);
  const transaction: Transactions['transaction'] = (work) => database.transaction(work);
  const { catalogue, keys, sealer, ledger } = seam;
  const report = await convert({ catalogue, keys, sealer, ledger, transaction }, table).finally(() =>
    seam.schemaChanged(),
  );
  await seam.refresh();
  return report;
}
