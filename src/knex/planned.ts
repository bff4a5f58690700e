/**
 * Raw SQL in which two sealed columns may be compared that share no index key, or ciphertext is taken for a text or for bytes:
 * PostgreSQL takes its own operators and functions for it, and answers with nothing or with what is not true. No parameter's type
 * tells, so its planner is asked, once for each text: `EXPLAIN` carries nothing out (with parameters `GENERIC_PLAN`, from PostgreSQL
 * 16 on). Whoever names one sealed column, without a cast or a function, pays nothing.
 */
import type { Catalogue, Element, Table } from '../catalogue/model';
import { sharesIndex } from '../catalogue/search';
import { UnsupportedQueryError } from '../errors';
import { withOwnTypes } from '../own-types';
import type { Queryable } from '../queryable';
import { blindUses } from './blind-uses';
import type { PlanNode, SealedColumn } from './plan';
import { COMPUTING } from './plan-computations';
import type { BlindUse } from './plan-expressions';
import { mentionsTable, WatchedNames } from './watched-names';

/** What `EXPLAIN` takes: statements with a plan. */
export const PLANNED =
  /^(?:\s|\(|--[^\n]*\n|\/\*[^*]*\*+(?:[^/*][^*]*\*+)*\/)*(?:select|with|insert|update|delete|merge|values|table)\b/i;
/** The first version with `GENERIC_PLAN`. */
export const FIRST_GENERIC = 160_000;
const EXPLAIN = 'explain (verbose, format json) ';
const EXPLAIN_GENERIC = 'explain (generic_plan, verbose, format json) ';
const REMEMBERED = 1000;
/** Characters of a text that is remembered: beyond it are inserts of many rows. */
const LONGEST = 16_000;

export class PlannedComparisons {
  private readonly known = new WeakMap<Catalogue, Set<string>>();
  private version: number | undefined;

  /** Whether a text has to be planned before it is sent. */
  concerns(catalogue: Catalogue, sql: string): boolean {
    return !this.knownOf(catalogue).has(sql) && this.isSuspect(catalogue, sql);
  }

  /**
   * @param sql with `$1` in place of its parameters
   * @param text the same, as it was asked about
   * @throws UnsupportedQueryError COLUMN_COMPARE, COMPOUND_ALONE, OPERATOR, AGGREGATE or SEALED_IN_TEXT; and what PostgreSQL says of the statement
   */
  async refuse(
    catalogue: Catalogue,
    connection: Queryable,
    sql: string,
    text: string,
    parameters: number,
  ): Promise<void> {
    if (parameters > 0) this.version ??= await versionOf(connection);
    if (parameters > 0 && (this.version ?? 0) < FIRST_GENERIC) return;
    const plan = await planOf(connection, sql, parameters > 0);
    const [found] = blindUses(plan, sealedColumns(catalogue));
    if (found) throw refusal(catalogue, found);
    // a text may mean another table in another session
    if (!WatchedNames.of(catalogue).ambiguous) this.remember(catalogue, text);
  }

  private isSuspect(catalogue: Catalogue, sql: string): boolean {
    const suspect =
      WatchedNames.of(catalogue).mentions(sql) && PLANNED.test(sql) && !areSeveral(sql) && isBlind(catalogue, sql);
    if (!suspect) this.remember(catalogue, sql);
    return suspect;
  }

  private remember(catalogue: Catalogue, sql: string): void {
    if (sql.length > LONGEST) return;
    const known = this.knownOf(catalogue);
    known.add(sql);
    const [oldest] = known;
    if (known.size > REMEMBERED && oldest !== undefined) known.delete(oldest);
  }

  private knownOf(catalogue: Catalogue): Set<string> {
    let known = this.known.get(catalogue);
    if (!known) {
      known = new Set();
      this.known.set(catalogue, known);
    }
    return known;
  }
}

interface Explained {
  /** One for each statement that a rule makes of it, without a plan where it makes nothing. */
  readonly 'QUERY PLAN': readonly { readonly Plan?: PlanNode }[];
}

/** @throws what PostgreSQL says of the statement; its `position` is that in the statement */
export async function planOf(connection: Queryable, sql: string, generic: boolean): Promise<PlanNode> {
  const explain = generic ? EXPLAIN_GENERIC : EXPLAIN;
  try {
    const { rows } = await withOwnTypes(connection).query(explain + sql);
    const plans = (rows[0] as unknown as Explained)['QUERY PLAN'].flatMap(({ Plan }) => Plan ?? []);
    const [only] = plans;
    return only && plans.length === 1 ? only : { 'Node Type': 'Result', Plans: plans };
  } catch (error) {
    const failure = error as Error & { position?: string };
    if (failure.position !== undefined) failure.position = String(Number(failure.position) - explain.length);
    throw error;
  }
}

export async function versionOf(connection: Queryable): Promise<number> {
  const { rows } = await withOwnTypes(connection).query(
    `select pg_catalog.current_setting('server_version_num')::int as version`,
  );
  return Number(rows[0]?.version);
}

const sealedOf = new WeakMap<Catalogue, readonly SealedColumn[]>();

function sealedColumns(catalogue: Catalogue): readonly SealedColumn[] {
  let sealed = sealedOf.get(catalogue);
  if (!sealed) {
    sealed = catalogue.tables.flatMap((table) =>
      sealedIn(table).map(({ name, element }) => ({
        schema: table.schema,
        table: table.name,
        column: name,
        element: element.id,
        protect: element.protect,
        compound: element.compound !== undefined,
      })),
    );
    sealedOf.set(catalogue, sealed);
  }
  return sealed;
}

interface Sealed {
  readonly name: string;
  readonly element: Element;
}

function sealedIn({ columns }: Table): Sealed[] {
  return [...columns.values()].flatMap(({ name, element }) =>
    element && element.protect !== 'truncate-ip' ? [{ name, element }] : [],
  );
}

function refusal(catalogue: Catalogue, { table, column, code, operator }: BlindUse): UnsupportedQueryError {
  const carrier = catalogue.named(table).find(({ columns }) => columns.get(column)?.element?.compound);
  const others = carrier?.columns
    .get(column)
    ?.element?.compound?.map((member) => member.column)
    .join(', ');
  return new UnsupportedQueryError(code, { table, column, operator, method: operator, others });
}

const SEVERAL = /;\s*\S/;
/** Literals, quoted names, comments. */
const QUOTED = /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\//g;
/** Quoting that ends elsewhere: escapes, and dollars as in `$$ … $$`. */
const OTHERWISE_QUOTED = /\\|\$\w*\$/;

/** Of several statements the first would be planned and the others carried out. In doubt they are several. */
function areSeveral(sql: string): boolean {
  return SEVERAL.test(sql) && (OTHERWISE_QUOTED.test(sql) || SEVERAL.test(sql.replace(QUOTED, ' ')));
}

/** A comparison whose other side is no parameter and no literal; `using`, `natural` and `nullif` compare as well. */
const COMPARED =
  /(?:=|<>|!=|\bdistinct\s+from)\s*\(*\s*(?!(?:any|all|some)\s*\(\s*[?$']|(?:null|true|false|default)\b)["a-z_\u0080-\uffff]|\bin\s*\((?!\s*[?$'\d])|\b(?:using|natural|nullif)\b|\bcase\s+(?!when\b)/i;
/** A cast to what would show ciphertext as text or bytes, or a function that PostgreSQL has for these. */
const SHOWN = new RegExp(
  `(?:::|\\bas\\s)\\s*"?(?:text|varchar|char|character|bpchar|citext|bytea)\\b|\\|\\||\\b(?:encode|${[...COMPUTING].join('|')})"?\\s*\\(`,
  'i',
);
/** Columns that are meant and not named. */
const ALL_COLUMNS = /(?<!\()\*|\bnatural\b|\btable\b/i;

/** Rather too many are planned: a text shows neither aliases nor types. */
function isBlind(catalogue: Catalogue, sql: string): boolean {
  const compared = COMPARED.test(sql);
  if (!compared && !SHOWN.test(sql)) return false;
  const all = ALL_COLUMNS.test(sql);
  const sealed = catalogue.tables
    .filter(({ name }) => mentionsTable(sql, name))
    .flatMap((table) => sealedIn(table).filter(({ name }) => all || mentionsTable(sql, name)));
  if (SHOWN.test(sql) && sealed.length > 0) return true;
  return (
    compared &&
    sealed.some(({ element }) => sealed.some((other) => element.compound || !sharesIndex(element, other.element)))
  );
}
