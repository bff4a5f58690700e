/**
 * Parameters that only the server can name, while it has not yet been asked. A statement that mentions personal data shows
 * none of them meanwhile: neither `toString()` nor a debug log knows which ones are personal.
 */
import type { Catalogue } from '../catalogue/model';
import { CellArray } from './cell-array';
import type { StatementFacts } from './frame';
import type { CompiledQuery } from './internals';
import { Marker, UndescribedMarker } from './marker';
import { WatchedNames } from './watched-names';

export function concealUndescribed(query: CompiledQuery, facts: StatementFacts, catalogue: () => Catalogue): void {
  if (query.bindings.length === 0 || !(facts.describe || facts.opaque)) return;
  if (!WatchedNames.of(catalogue()).mentions(query.sql)) return;
  query.bindings = query.bindings.map((binding, place) =>
    binding === null || binding instanceof Marker || binding instanceof CellArray
      ? binding
      : new UndescribedMarker(`parameter ${place + 1}`, binding),
  );
}

/** Whether the server has to be asked what a statement's parameters are. */
export function needsDescription(
  query: CompiledQuery,
  facts: StatementFacts | undefined,
  catalogue: Catalogue,
): boolean {
  if (!facts || !query.bindings?.length || catalogue.isEmpty) return false;
  return facts.describe || (facts.opaque && WatchedNames.of(catalogue).mentions(query.sql));
}
