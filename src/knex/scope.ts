/**
 * Which column a name in a query means. A scope holds the tables of one select, insert, update or delete; nested builders
 * have the enclosing scope as their parent, as in SQL. What cannot be told here (a sub-select, a function, a table unknown
 * to the catalogue) is *opaque*: the statement is then described by the server before it is sent.
 */
import type { Catalogue, Column, Table } from '../catalogue/model';
import { UnsupportedQueryError } from '../errors';
import type { InternalBuilder, InternalClient, Statement } from './internals';
import { isWatched } from './watched-names';

export interface Resolved {
  readonly table: Table;
  readonly column: Column;
}

/** `undefined`: a column that no table of the catalogue protects. `'opaque'`: not to be told without the server. */
export type Resolution = Resolved | 'opaque' | undefined;

interface Source {
  /** Undefined for raw text, which may bring in any name. */
  readonly alias: string | undefined;
  readonly table: Table | 'opaque';
}

const RAW_TEXT: Source = { alias: undefined, table: 'opaque' };

export class Scope {
  private constructor(
    private readonly sources: readonly Source[],
    private readonly commonNames: ReadonlySet<string>,
    private readonly parent: Scope | undefined,
    private readonly catalogue?: Catalogue,
  ) {}

  static of(builder: InternalBuilder, catalogue: Catalogue, parent: Scope | undefined): Scope {
    const read = new SourceReader(builder, catalogue, parent?.commonNames ?? new Set());
    return new Scope(read.sources(), read.commonNames, parent, catalogue);
  }

  /** A raw text: whatever is named in it or under it, only the server can tell. */
  static ofRawText(parent: Scope | undefined): Scope {
    return parent ?? new Scope([RAW_TEXT], new Set(), undefined);
  }

  /** The scope of a builder that stands inside this one; undefined inside raw text. */
  within(builder: InternalBuilder): Scope | undefined {
    return this.catalogue && Scope.of(builder, this.catalogue, this);
  }

  /** The table a write is directed at; undefined when it is none of the catalogue's. */
  get target(): Table | undefined {
    const table = this.sources[0]?.table;
    return table === 'opaque' ? undefined : table;
  }

  get targetIsOpaque(): boolean {
    return this.sources[0]?.table === 'opaque';
  }

  /** Whether any of the tables holds something personal. */
  get isWatched(): boolean {
    return (
      this.sources.some(({ table }) => table !== 'opaque' && isWatched(table)) || (this.parent?.isWatched ?? false)
    );
  }

  /** Every column of the tables, or of one of them: what `*` or `users.*` stands for. */
  columnsOf(qualifier?: string): Resolved[] {
    const own = qualifier === undefined ? this.sources : this.sources.filter((source) => source.alias === qualifier);
    return own.flatMap(({ table }) =>
      table === 'opaque' ? [] : [...table.columns.values()].map((column) => ({ table, column })),
    );
  }

  /** @param path a column as written, split at its dots and mapped to database names */
  resolve(path: readonly string[]): Resolution {
    const name = path.at(-1) ?? '';
    const qualifier = path.at(-2);
    const own =
      qualifier === undefined
        ? this.sources
        : this.sources.filter(({ alias }) => alias === undefined || alias === qualifier);
    const [only] = own;
    const found = own.length === 1 && only ? columnOf(only, name) : own.flatMap((source) => columnOf(source, name));
    if (found.length > 0) return found.find((each) => isProtected(each.column)) ?? found[0];
    if (own.some((source) => source.table === 'opaque')) return 'opaque';
    return this.parent?.resolve(path);
  }
}

function columnOf(source: Source, name: string): Resolved[] {
  if (source.table === 'opaque') return [];
  const column = source.table.columns.get(name);
  return column ? [{ table: source.table, column }] : [];
}

function isProtected(column: Column): boolean {
  return column.element !== undefined;
}

interface DatabaseNames {
  readonly path: readonly string[];
  readonly alias?: string;
}

/** Names as they were written, where nothing maps them: an application has few, and writes each of them often. */
const written = new Map<string, DatabaseNames>();
const MOST_NAMES = 5000;

/** Splits `schema.table.column as alias`, and maps each part to its database name (a snake-case mapper, for example). */
export function databaseNames(name: string, client: InternalClient, context: unknown): DatabaseNames {
  if (client.config.wrapIdentifier)
    return split(name, (part) => client.customWrapIdentifier(part, (same) => same, context));
  let names = written.get(name);
  if (!names) {
    names = split(name, (part) => part);
    if (written.size >= MOST_NAMES) written.clear();
    written.set(name, names);
  }
  return names;
}

function split(name: string, map: (part: string) => string): DatabaseNames {
  const [text = '', alias] = name.split(/\s+as\s+/i);
  const path = text.split('.').map((part) => map(part.trim()));
  return alias === undefined ? { path } : { path, alias: map(alias.trim()) };
}

/** Reads the tables of one builder: its own, its joins, `update … from`, `delete … using`. */
class SourceReader {
  readonly commonNames: ReadonlySet<string>;

  constructor(
    private readonly builder: InternalBuilder,
    private readonly catalogue: Catalogue,
    outerNames: ReadonlySet<string>,
  ) {
    const own = builder._statements
      .filter((each) => each.grouping === 'with')
      .map((each) => this.map(String(each.alias)));
    this.commonNames = own.length === 0 ? outerNames : new Set([...outerNames, ...own]);
  }

  sources(): Source[] {
    const { table, schema, updateFrom, using } = this.builder._single;
    const found = table === undefined ? [] : this.read(table, schema);
    if (updateFrom !== undefined || using !== undefined)
      for (const each of [updateFrom, using].flat()) if (each !== undefined) found.push(...this.read(each));
    for (const each of this.builder._statements) if (each.grouping === 'join') found.push(...this.readJoin(each));
    return found;
  }

  private readJoin(join: Statement): Source[] {
    return join.joinType === 'raw' ? [RAW_TEXT] : this.read(join.table, join.schema);
  }

  private read(source: unknown, schema?: string): Source[] {
    if (typeof source === 'string') return [this.named(source, schema)];
    if (isAliasObject(source)) {
      return Object.entries(source).map(([alias, each]) =>
        typeof each === 'string'
          ? { ...this.named(each, schema), alias: this.map(alias) }
          : { alias: this.map(alias), table: 'opaque' },
      );
    }
    return [isRawText(source) ? RAW_TEXT : { alias: aliasOf(source), table: 'opaque' }];
  }

  private named(name: string, schema?: string): Source {
    const { path, alias } = databaseNames(name, this.builder.client, this.builder.queryContext());
    const table = path.at(-1) ?? '';
    const inSchema = path.at(-2) ?? (schema === undefined ? undefined : this.map(schema));
    return { alias: alias ?? table, table: this.look(table, inSchema) };
  }

  private look(name: string, schema: string | undefined): Table | 'opaque' {
    if (schema === undefined && this.commonNames.has(name)) return 'opaque';
    const found = this.catalogue.named(name, schema);
    const archive = found.find((table) => table.isArchive);
    if (archive) throw new UnsupportedQueryError('ARCHIVE_CLOSED', { table: name, schema: archive.schema });
    // Two schemas may hold a table of this name and the session's search_path decides: never guess which one is sealed.
    if (found.length > 1 && found.some((table) => [...table.columns.values()].some(isProtected))) {
      throw new UnsupportedQueryError('AMBIGUOUS_TABLE', { table: name, schema: found[0]?.schema });
    }
    return found[0] ?? 'opaque';
  }

  private map(name: string): string {
    return this.builder.client.customWrapIdentifier(name, (same) => same, this.builder.queryContext());
  }
}

function isAliasObject(source: unknown): source is Record<string, unknown> {
  return typeof source === 'object' && source !== null && Object.getPrototypeOf(source) === Object.prototype;
}

function isRawText(source: unknown): boolean {
  return typeof source === 'function' || (typeof source === 'object' && source !== null && 'isRawInstance' in source);
}

function aliasOf(source: unknown): string | undefined {
  return (source as { _single?: { as?: string } } | undefined)?._single?.as;
}
