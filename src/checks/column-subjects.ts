/**
 * Rows of several people (ERASURE.md G3), for whoever looks: whose each column is, and which column names somebody who cannot be
 * found.
 */
import type { Catalogue, Table } from '../catalogue/model';
import { isOfSeveral, type Party, partiesOf } from '../catalogue/parties';
import { anchorColumns } from '../catalogue/subject-path';
import { verifyParties } from '../catalogue/verify-parties';
import { AnnotationError } from '../errors';
import type { Finding } from './finding';

/** What a start of the application would refuse, table by table. */
export function unfoundSubjects(catalogue: Catalogue): Finding[] {
  return shared(catalogue).flatMap((table) => refusalOf(catalogue, table) ?? []);
}

/** `messages: body of the user by sender_id; reply of the user by recipient_id`, of each table whose rows are several people's. */
export function sharedTables(catalogue: Catalogue): string[] {
  return shared(catalogue)
    .filter((table) => refusalOf(catalogue, table) === undefined)
    .map((table) => {
      const parties = partiesOf(catalogue, table).filter(({ columns }) => columns.length > 0);
      return `${table.displayName}: ${parties.map(said).join('; ')}`;
    });
}

function shared({ tables }: Catalogue): Table[] {
  return tables.filter(isOfSeveral);
}

function said({ path, columns }: Party): string {
  return `${columns.map(({ name }) => name).join(', ')} of the ${path.kind} by ${anchorColumns(path).join(', ')}`;
}

function refusalOf(catalogue: Catalogue, table: Table): Finding | undefined {
  try {
    verifyParties(catalogue, table);
    return undefined;
  } catch (error) {
    if (!(error instanceof AnnotationError)) throw error;
    const [says = error.message] = error.message.split('\n');
    return { check: 'declarations', table: table.displayName, column: error.column ?? '', says, fix: error.fix };
  }
}
