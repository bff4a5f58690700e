/** A person's id as the database writes it, wherever an application names her: under another spelling she would be somebody else. */
import { canonicalIds } from '../catalogue/canonical-ids';
import type { Catalogue } from '../catalogue/model';
import type { Queryable } from '../queryable';
import type { Database } from './database';
import { rootType } from './root';

/** @returns the id as it is where the kind is none: whoever looks for its table says so */
export async function canonicalId(
  { catalogue, database }: { readonly catalogue: Catalogue; readonly database: Database },
  kind: string,
  id: string,
): Promise<string> {
  return canonicalIdIn(catalogue, { query: (...asked) => database.alone((own) => own.query(...asked)) }, kind, id);
}

/** The same in a transaction, whose connection may be the only one. */
export async function canonicalIdIn(
  catalogue: Catalogue,
  connection: Queryable,
  kind: string,
  id: string,
): Promise<string> {
  const table = catalogue.subjectTable(kind);
  if (table?.declaration?.is !== 'subject') return id;
  const type = rootType({ root: table, rootColumn: table.declaration.column });
  const [canonical] = await canonicalIds(connection, type, [id]);
  return canonical as string;
}
