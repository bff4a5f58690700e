/** Where sealed values are stored, and whether they are sealed anew there. */
import type { Queryable } from '../../queryable';
import { type SealedColumn, type SealedPlace, sealedPlaces } from '../sealed-places';

export interface StoredTable {
  /** As SQL names it. */
  readonly name: string;
  readonly columns: readonly SealedColumn[];
  readonly blocks: number;
  /**
   * What is not sealed anew in its place, and only looked at: a materialised view is refreshed, and whoever made arrays, rows or ranges of
   * values makes them anew.
   */
  readonly stays: 'view' | 'within' | 'elsewhere' | undefined;
}

/** A table with columns of both sorts is two. */
export async function storedTables(connection: Queryable): Promise<StoredTable[]> {
  return (await sealedPlaces(connection)).flatMap((place) => {
    const written = place.columns.filter(({ element }) => element !== null);
    const others = place.columns.filter(({ element }) => element === null);
    return [
      ...(written.length > 0 ? [{ ...place, columns: written, stays: undefined }] : []),
      ...(others.length > 0 ? [{ ...place, columns: others, stays: stayOf(place) }] : []),
    ];
  });
}

function stayOf({ is }: SealedPlace): StoredTable['stays'] {
  return is === 'table' ? 'within' : is;
}

/** Of a table its own rows: partitions, and what inherits, are tables of their own. */
export function fromTable({ name, stays }: StoredTable, alias: string): string {
  return `${stays === 'view' || stays === 'elsewhere' ? '' : 'only '}${name} ${alias}`;
}
