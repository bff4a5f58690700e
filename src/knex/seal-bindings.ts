/**
 * Turns markers into what is sent: sealed values, blind indexes, tokens, truncated addresses, ids. Runs after Knex has
 * emitted its events, and answers with a new array: the one that logs and errors see keeps its markers.
 */
import type { ElementTokens } from '../catalogue/model';
import type { RowSealer } from '../crypto/seal';
import { type Names, UnsupportedQueryError } from '../errors';
import type { SubjectKey } from '../keyring/subject-keys';
import { withOwnTypes } from '../own-types';
import type { Queryable } from '../queryable';
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
import { SubjectRow, UnnamedRow } from './subject-row';

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

/** The same bindings once for each person: as if the row they belong to had been hers. Keys come in one query. */
export async function sealBindingsFor(
  seam: Seam,
  connection: Queryable,
  bindings: readonly unknown[],
  row: SubjectRow,
  anchors: readonly (readonly unknown[])[],
): Promise<unknown[][]> {
  const rows = anchors.map((anchor) => new SubjectRow(row.path, anchor));
  const others = rowsOf(bindings);
  others.delete(row);
  const resolver = new SubjectResolver(seam.catalogue, seam.sealer, withOwnTypes(connection));
  const subjects = await resolver.resolve(new Set([...rows, ...others]));
  const keys = await keysOf(seam, subjects);
  return rows.map((each) => {
    const subject = subjects.get(each) as RowSubject;
    return sealed(seam, bindings, new Map([...subjects, [row, subject]]), keys);
  });
}

/** An update whose person was to be selected first, but is only a text and its bindings now: nobody will select her. */
function refuseUnselected(rows: ReadonlySet<SubjectRow>): void {
  for (const row of rows) {
    if (row instanceof UnnamedRow) refuseTable('UPDATE_UNPINNED', row.path.table);
  }
}

function rowsOf(bindings: readonly unknown[]): Set<SubjectRow> {
  return new Set(
    bindings.flatMap((each) => {
      if (Array.isArray(each)) return [...rowsOf(each)];
      return each instanceof SealMarker || each instanceof AnchorMarker ? [each.row] : [];
    }),
  );
}

function sealed(
  seam: Seam,
  bindings: readonly unknown[],
  subjects: RowSubjects,
  keys: ReadonlyMap<string, SubjectKey>,
): unknown[] {
  const sealing = new Sealing(seam, subjects, keys);
  const replace = (binding: unknown): unknown => {
    if (binding instanceof Marker) return sealing.replace(binding);
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

async function keysOf(seam: Seam, subjects: RowSubjects): Promise<Map<string, SubjectKey>> {
  const kinds = new Map<string, string[]>();
  for (const { kind, id } of subjects.values()) kinds.set(kind, [...(kinds.get(kind) ?? []), id]);
  const keys = new Map<string, SubjectKey>();
  for (const [kind, ids] of kinds) {
    for (const [id, key] of await seam.keys.forSubjects(kind, ids)) keys.set(`${kind}\0${id}`, key);
  }
  return keys;
}

class Sealing {
  private readonly sealers = new Map<SubjectRow, RowSealer>();

  constructor(
    private readonly seam: Seam,
    private readonly subjects: RowSubjects,
    private readonly keys: ReadonlyMap<string, SubjectKey>,
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

  wipe(): void {
    for (const sealer of this.sealers.values()) sealer.wipe();
  }

  private compoundIndex({ parts, value }: CompoundMarker): Uint8Array {
    return this.seam.sealer.compoundIndex(parts, value as readonly unknown[]);
  }

  private searchTokens({ element, kind, value }: SearchTokensMarker, names: Names): string {
    return this.seam.sealer.tokeniser.asked(element, element.tokens as ElementTokens, kind, value, names);
  }

  private seal({ element, value, row, compound }: SealMarker, names: Names): string {
    if (element.protect === 'pseudonymise') return this.seam.sealer.pseudonym(this.keyOf(row), element, value, names);
    let sealer = this.sealers.get(row);
    if (!sealer) {
      sealer = this.seam.sealer.row(this.keyOf(row));
      this.sealers.set(row, sealer);
    }
    const index = compound && this.compoundIndex(compound);
    return hex(this.seam.sealer.seal(sealer, element, value, names, index));
  }

  private keyOf(row: SubjectRow): SubjectKey {
    const subject = this.subjects.get(row);
    return this.keys.get(`${subject?.kind}\0${subject?.id}`) as SubjectKey;
  }
}

/** bytea as text: Knex and pg spend a quarter of the time on a string that they spend on a Buffer. */
function hex(bytes: Uint8Array): string {
  return `\\x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`;
}
