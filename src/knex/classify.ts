/**
 * Gives the parameters of raw SQL their meaning, by the types the server answered. A value for a sealed column becomes a
 * query token: in a comparison that is what is wanted, and where it would be stored the guard in the database refuses it.
 */
import { type Catalogue, type Element, namesOfLabel } from '../catalogue/model';
import { UnsupportedQueryError } from '../errors';
import { AddressMarker, Marker, SealMarker, TokenMarker } from './marker';
import { PinnedValue } from './pinned-value';

const BYTEA = 17;

export function classifyParameters(
  catalogue: Catalogue,
  bindings: readonly unknown[],
  types: readonly number[],
): unknown[] {
  return bindings.map((binding, place) => {
    if (binding instanceof Marker || binding === null || binding === undefined) return binding;
    const element = catalogue.elementOfDomain(types[place] ?? 0);
    if (binding instanceof PinnedValue) return sealPinned(binding, element, place + 1);
    const list = catalogue.elementOfDomainArray(types[place] ?? 0);
    if (list && Array.isArray(binding))
      return binding.map((each) => (each === null ? null : operand(list, each, place + 1)));
    if (element) return operand(element, binding, place + 1);
    // PostgreSQL would read the text as bytes, compare it with ciphertext and match nothing, silently.
    if (types[place] === BYTEA && typeof binding === 'string' && !binding.startsWith('\\x') && !catalogue.isEmpty) {
      throw new UnsupportedQueryError('STRING_FOR_BYTEA', { parameter: place + 1 });
    }
    return binding;
  });
}

function operand(element: Element, value: unknown, parameter: number): Marker {
  if (element.protect === 'truncate-ip') return new AddressMarker(element, element.label, value);
  if (value instanceof Uint8Array && element.codec !== 'bytes') throw refusal('ALREADY_SEALED', element, parameter);
  if (element.normaliser === undefined) throw refusal('RAW_UNPINNED', element, parameter);
  if (element.state === 'transition') throw refusal('IN_TRANSITION', element, parameter);
  return new TokenMarker(element, element.label, value);
}

function sealPinned(pinned: PinnedValue, element: Element | undefined, parameter: number): Marker {
  if (!element || element.protect === 'truncate-ip') throw new UnsupportedQueryError('PINNED_ELSEWHERE', { parameter });
  return new SealMarker(element, element.label, pinned.value, pinned.row);
}

function refusal(
  code: 'ALREADY_SEALED' | 'RAW_UNPINNED' | 'IN_TRANSITION',
  element: Element,
  parameter: number,
): UnsupportedQueryError {
  const { table, column } = namesOfLabel(element.label);
  return new UnsupportedQueryError(code, { table, column, parameter });
}
