/**
 * Turns markers into what is sent: sealed values, blind indexes, tokens, truncated addresses, ids. Runs after Knex has
 * emitted its events, and answers with a new array: the one that logs and errors see keeps its markers.
 */

import { byteaArray } from '../bytea-array';
import type { ElementTokens } from '../catalogue/model';
import type { RowSealer } from '../crypto/seal';
import { type Names, UnsupportedQueryError } from '../errors';
import type { SubjectKey } from '../keyring/subject-keys';
import { withOwnTypes } from '../own-types';
import type { Queryable } from '../queryable';
import { CellArray } from './cell-array';
import { refuseTable } from './columns';
import {
  AddressMarker,
  AnchorMarker,
  CompoundMarker,
  IndexMarker,
  Marker,
  namesOf,
  refuseInside,
  SealMarker,
  SearchTokensMarker,
  TokenMarker,
  type ValueMarker,
} from './marker';
import { PinnedValue } from './pinned-value';
import { type RowSubject, type RowSubjects, SubjectResolver } from './resolve-subjects';
import type { Seam } from './seam';
import { ofOneRow, SubjectRow, UnnamedRow } from './subject-row';

export async function sealBindings(
  seam: Seam,
  connection: Queryable,
  bindings: readonly unknown[],
): Promise<unknown[]> {
  const rows = rowsOf(bindings);
  refuseUnselected(rows);
  const subjects = await new SubjectResolver(seam.catalogue, seam.sealer, withOwnTypes(connection)).resolve(rows);
  return sealed(seam, bindings, subjects, await keysOf(seam, subjects));
}

/**
 * The same bindings once for each person, or for all the people of a row: as if the rows they belong to had been theirs. Keys come
 * in one query.
 * @param anchors of each row in `unnamed`, once for each time
 */
export async function sealBindingsFor(
  seam: Seam,
  connection: Queryable,
  bindings: readonly unknown[],
  unnamed: readonly SubjectRow[],
  anchors: readonly (readonly (readonly unknown[])[])[],
): Promise<unknown[][]> {
  const times = anchors.map((each) => ofOneRow(unnamed.map((row, i) => new SubjectRow(row.path, each[i]))));
  const others = rowsOf(bindings);
  for (const row of unnamed) others.delete(row);
  const resolver = new SubjectResolver(seam.catalogue, seam.sealer, withOwnTypes(connection));
  const subjects = await resolver.resolve(new Set([...times.flat(), ...others]));
  const keys = await keysOf(seam, subjects);
  return times.map((rows) => {
    const named = unnamed.map((row, i) => [row, subjects.get(rows[i] as SubjectRow) as RowSubject] as const);
    return sealed(seam, bindings, new Map([...subjects, ...named]), keys);
  });
}

/** An update whose person was to be selected first, but is only a text and its bindings now: nobody will select her. */
function refuseUnselected(rows: ReadonlySet<SubjectRow>): void {
  for (const row of rows) {
    if (row instanceof UnnamedRow) refuseTable('UPDATE_UNPINNED', row.path.table);
  }
}

function rowsOf(bindings: readonly unknown[], rows = new Set<SubjectRow>()): Set<SubjectRow> {
  for (const each of bindings) {
    if (Array.isArray(each)) rowsOf(each, rows);
    else if (each instanceof SealMarker || each instanceof AnchorMarker) rows.add(each.row);
  }
  return rows;
}

function sealed(seam: Seam, bindings: readonly unknown[], subjects: RowSubjects, keys: Keys): unknown[] {
  const sealing = new Sealing(seam, subjects, keys);
  const replace = (binding: unknown): unknown => {
    if (binding instanceof Marker) return sealing.replace(binding);
    if (binding instanceof CellArray) return sealing.column(binding);
    if (Array.isArray(binding)) return binding.map(replace);
    refuseInside(binding);
    return binding;
  };
  try {
    return bindings.map(replace);
  } finally {
    sealing.wipe();
  }
}

/** The keys of people by kind and id. */
type Keys = Map<string, ReadonlyMap<string, SubjectKey>>;

async function keysOf(seam: Seam, subjects: RowSubjects): Promise<Keys> {
  const kinds = new Map<string, string[]>();
  for (const { kind, id } of subjects.values()) {
    const ids = kinds.get(kind);
    if (ids) ids.push(id);
    else kinds.set(kind, [id]);
  }
  const keys: Keys = new Map();
  for (const [kind, ids] of kinds) keys.set(kind, await seam.keys.forSubjects(kind, ids));
  return keys;
}

class Sealing {
  private readonly sealers = new Map<SubjectRow, RowSealer>();

  constructor(
    private readonly seam: Seam,
    private readonly subjects: RowSubjects,
    private readonly keys: Keys,
  ) {}

  replace(marker: Marker): unknown {
    const { sealer } = this.seam;
    const names = namesOf(marker);
    if (marker instanceof AnchorMarker) return this.subjects.get(marker.row)?.anchor[marker.place];
    if (marker instanceof TokenMarker) return hex(sealer.token(marker.element, marker.value, names));
    if (marker instanceof IndexMarker) return hex(sealer.index(marker.element, marker.value, names));
    if (marker instanceof CompoundMarker) return hex(this.compoundIndex(marker));
    if (marker instanceof AddressMarker) return sealer.truncate(marker.element, marker.value, names);
    if (marker instanceof SealMarker) return this.seal(marker, names);
    if (marker instanceof SearchTokensMarker) return this.searchTokens(marker, names);
    // of raw SQL it became something else when the server had said what it belongs to
    if (marker instanceof PinnedValue) throw new UnsupportedQueryError('PLACEHOLDER_AS_VALUE', names);
    return (marker as ValueMarker).value;
  }

  /** A column of many rows: sealed values as bytes, anything else one by one. */
  column(cells: CellArray): unknown {
    if (!cells.isSealed) return Array.from(cells, (cell) => (cell instanceof Marker ? this.replace(cell) : cell));
    return byteaArray(Array.from(cells, (cell) => (cell === null ? null : this.sealedCell(cell))));
  }

  wipe(): void {
    for (const sealer of this.sealers.values()) sealer.wipe();
  }

  private compoundIndex({ parts, value }: CompoundMarker): Uint8Array {
    return this.seam.sealer.compoundIndex(parts, value as readonly unknown[]);
  }

  private searchTokens({ element, kind, value }: SearchTokensMarker, names: Names): string {
    return this.seam.sealer.tokeniser.asked(element, element.tokens as ElementTokens, kind, value, names);
  }

  private seal(marker: SealMarker, names: Names): string {
    if (isEncrypted(marker)) return hex(this.sealed(marker, names));
    const { element, value, row } = marker;
    return this.seam.sealer.pseudonym(this.keyOf(row), element, value, names);
  }

  private sealedCell(cell: unknown): Buffer {
    const marker = cell as SealMarker;
    return this.sealed(marker, namesOf(marker));
  }

  private sealed({ element, value, row, compound }: SealMarker, names: Names): Buffer {
    let sealer = this.sealers.get(row);
    if (!sealer) {
      sealer = this.sealerBeside(row) ?? this.seam.sealer.row(this.keyOf(row));
      this.sealers.set(row, sealer);
    }
    const index = compound && this.compoundIndex(compound);
    return this.seam.sealer.seal(sealer, element, value, names, index);
  }

  /** One derivation for a key in a row, also where two of its people are one. */
  private sealerBeside(row: SubjectRow): RowSealer | undefined {
    const same = row.beside?.find((other) => this.sealers.has(other) && this.keyOf(other) === this.keyOf(row));
    return same && this.sealers.get(same);
  }

  private keyOf(row: SubjectRow): SubjectKey {
    const { kind, id } = this.subjects.get(row) as RowSubject;
    return this.keys.get(kind)?.get(id) as SubjectKey;
  }
}

function isEncrypted({ element }: SealMarker): boolean {
  return element.protect === 'encrypt';
}

/** bytea as text: Knex and pg spend a quarter of the time on a string that they spend on a Buffer. */
function hex(bytes: Uint8Array): string {
  return `\\x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`;
}
