/**
 * One column of many rows, as one parameter of a statement. A class of its own, so that it is never taken for an array that the
 * application gave: each of its cells is marked, replaced and printed by itself.
 */
export class CellArray extends Array<unknown> {
  /** Whether its cells are to be sealed, or NULL. */
  isSealed = false;

  static holding(cells: readonly unknown[], isSealed: boolean): CellArray {
    const array = new CellArray();
    for (const cell of cells) array.push(cell); // one by one: as arguments there may be too many
    array.isSealed = isSealed;
    return array;
  }
}
