/**
 * From a declaration and the type a column was declared with to the definition of its element: which codec seals it, which
 * domain refuses what. Pure; the statements that create it are in `statements.ts`.
 */
import { createHash } from 'node:crypto';
import type { SettledPersonalSpec } from '../catalogue/check-personal';
import { refuseLeakySearch } from '../catalogue/leaky-search';
import type { CompoundMember, ElementTokens } from '../catalogue/model';
import { searchOf } from '../catalogue/search';
import type { Tokens } from '../catalogue/spec';
import { NORMALISERS } from '../crypto/normaliser';
import { AnnotationError } from '../errors';

/** As `oubli.define_element` takes it. */
export interface ElementDefinition {
  readonly protect: 'encrypt' | 'pseudonymise' | 'truncate-ip';
  readonly codec: string;
  readonly declaredType: string;
  readonly normaliser?: string;
  readonly normaliserVersion?: number;
  readonly searchGroup?: string | undefined;
  readonly compound?: readonly CompoundMember[] | undefined;
  readonly tokens?: (ElementTokens & { readonly version: number }) | undefined;
  readonly padding?: string;
  readonly maxBytes?: number | undefined;
  readonly v4?: number;
  readonly v6?: number;
}

/**
 * PostgreSQL's types, as Knex and `format_type` write them, and the codec that keeps their values exactly. Whole, not by
 * their beginning: `text[]` and Knex's enum, `text check (…)`, are something else.
 */
const CODECS: readonly [RegExp, string][] = [
  [/^(text|bpchar|(varchar|character varying|char|character)( ?\(\d+\))?)$/, 'text'],
  [/^bytea$/, 'bytes'],
  [/^jsonb?$/, 'json'],
  [/^(smallint|int2|integer|int|int4|bigint|int8)$/, 'integer'],
  [/^(numeric|decimal)( ?\(\d+(, ?-?\d+)?\))?$/, 'numeric'],
  [/^date$/, 'date'],
  [/^(timestamptz(\(\d\))?|timestamp(\(\d\))? with time zone)$/, 'timestamptz'],
  [/^timestamp(\(\d\))?( without time zone)?$/, 'timestamp'],
  [/^bool(ean)?$/, 'boolean'],
];

/** Whether a declaration gives its column a domain, and so another type than the one declared. */
export function changesType(spec: SettledPersonalSpec): boolean {
  return spec.protect !== 'clear';
}

/** @throws AnnotationError for a type that cannot be protected so, or a search that would give the column away */
export function defineElement(
  table: string,
  column: string,
  spec: SettledPersonalSpec,
  declaredType: string,
): ElementDefinition {
  const type = declaredType.trim().toLowerCase();
  switch (spec.protect) {
    case 'encrypt':
      return sealed(table, column, spec, type);
    case 'truncate-ip':
      if (type !== 'inet' && codecOf(type) !== 'text') throw badType(table, column, type, 'inet or text', spec.protect);
      return {
        protect: spec.protect,
        codec: 'text',
        declaredType: type === 'inet' ? 'inet' : 'text',
        v4: spec.v4,
        v6: spec.v6,
      };
    case 'pseudonymise':
      if (codecOf(type) !== 'text') throw badType(table, column, type, 'text', spec.protect);
      return { protect: spec.protect, codec: 'text', declaredType: 'text' };
    default:
      throw badType(table, column, type, 'a protected type', spec.protect);
  }
}

function sealed(
  table: string,
  column: string,
  spec: Extract<SettledPersonalSpec, { protect: 'encrypt' }>,
  type: string,
): ElementDefinition {
  const codec = codecOf(type);
  if (!codec)
    throw badType(table, column, type, 'text, bytea, json, integer, numeric, date, timestamp or boolean', spec.protect);
  refuseLeakySearch(table, column, spec, codec);
  if (spec.tokens && codec !== 'text') throw new AnnotationError('TOKENS_NEED_TEXT', { table, column, codec });
  const tokens = spec.tokens && versioned(spec.tokens);
  const definition = {
    protect: spec.protect,
    codec,
    declaredType: type,
    padding: spec.pad,
    maxBytes: spec.maxBytes,
    tokens,
  };
  if (spec.search === undefined) return definition;
  const { as, group, with: beside } = searchOf(spec.search);
  if (as !== 'exact' && codec !== 'text') {
    throw new AnnotationError('NORMALISER_NEEDS_TEXT', { table, column, normaliser: as, codec });
  }
  if (codec === 'json') throw new AnnotationError('JSON_NOT_SEARCHABLE', { table, column });
  const compound = beside && Object.entries(beside).map(([member, how]) => ({ column: member, as: how }));
  const { version } = NORMALISERS[as];
  return { ...definition, normaliser: as, normaliserVersion: version, searchGroup: group, compound };
}

/** Tokens already written are found as long as their normaliser gives the same answers. */
function versioned(tokens: Tokens): ElementTokens & { readonly version: number } {
  return { ...tokens, version: NORMALISERS[tokens.as].version };
}

function codecOf(type: string): string | undefined {
  return CODECS.find(([pattern]) => pattern.test(type))?.[1];
}

function badType(table: string, column: string, type: string, wanted: string, protect: string): AnnotationError {
  return new AnnotationError('TYPE_NOT_PROTECTABLE', { table, column, type, wanted, protect });
}

const MOST_BYTES_OF_A_NAME = 63;

/**
 * What a migration calls the domain of an element before its table exists: `users.email`, shortened to what PostgreSQL
 * allows by a hash of the whole. Its lasting name is given by `oubli.refresh_guard`, which knows the table's schema.
 */
export function domainName(path: readonly string[]): string {
  const name = path.join('.');
  if (Buffer.byteLength(name) <= MOST_BYTES_OF_A_NAME) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 12);
  return `${Buffer.from(name)
    .subarray(0, MOST_BYTES_OF_A_NAME - 13)
    .toString('latin1')
    .replace(/[^ -~]/g, '_')}~${hash}`;
}
