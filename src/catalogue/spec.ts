/**
 * What a migration says of personal data, as types: the arguments of `.personal()`, `.personalData()`, `.dataSubject()`
 * and `annotate()`. What contradicts itself does not compile; `check-*.ts` say the same at run time, to JavaScript.
 */
import type { Period } from '../period';
import type { Anchor, Notices } from './anchor-spec';
import type { Archive, LaterArchive } from './archive-spec';
import type { OnErase } from './on-erase';
import type { Categorised } from './own-category';
import type { Referring } from './reference-spec';
import type { Basis, Origin } from './vocabulary';

/** True of every personal column, however it is protected. */
interface Common {
  /** How the datum came to be there; `'provided'` unless said otherwise, as most columns hold what was typed in. */
  readonly origin?: Origin;
  /** What this column serves, where that is not the purpose of its table. */
  readonly purpose?: string;
  /** The lawful basis, where that is not the basis of its table. */
  readonly basis?: Basis;
  /** Whose datum it is, where that is not the subject of its table: the recipient's reply in a message of the sender's. */
  readonly subject?: ColumnSubject;
}

/**
 * The person a column is about, beside the table's own subject (ERASURE.md G3): through which foreign key of the table she is
 * found, and of what kind she is where the key leads to several.
 */
export interface ColumnSubject {
  readonly via: string;
  readonly kind?: string;
}

/**
 * What counts as equal when a value is looked for (ENVELOPE.md I1): the same characters; the same address to a mail system; the
 * same but for case; the same decimal digits, whatever stands between them; the same but for case and accents.
 */
export type SearchAs = 'exact' | 'email' | 'lowercase' | 'digits' | 'unaccented';

/**
 * `'email'`, say, or `{ as: 'email', group: 'contact' }`: columns that name the same group compare with each other and can be
 * joined. They share an index key, so whoever reads the database sees which of their values are equal, across tables.
 *
 * `{ as: 'unaccented', with: { birth_date: 'exact' } }` is one index over both columns: rows are found by their values together,
 * and only rows that are equal in all of them are seen to be equal. The columns are written together, too.
 */
export type Search =
  | SearchAs
  | { readonly as: SearchAs; readonly group?: string; readonly with?: never }
  | { readonly as: SearchAs; readonly with: { readonly [column: string]: SearchAs }; readonly group?: never };

/** What a value's length is rounded up to, in bytes, before it is sealed (ENVELOPE.md E7). */
export type Pad = 'none' | '16' | '32' | '64' | 'padme';

interface Encrypted {
  readonly protect: 'encrypt';
  /** `'16'` unless said otherwise: it hides the length of most names and costs 8 bytes a value on average. */
  readonly pad?: Pad;
  /** The most bytes one value may have: 1 MiB (1,048,576) unless said otherwise, and 16 MiB at most. Files do not belong here. */
  readonly maxBytes?: number;
}

/** Lengths of a beginning, in characters of the normalised text: from 2, for of one letter there are too few, to 32. */
export interface Prefix {
  readonly min: number;
  readonly max: number;
}

/**
 * By what else than its whole a text can be found: `whereILike(column, 'dup%')` needs `prefix`, `where(column, '@@', 'two words')`
 * needs `words`. Both compare without case, and `'unaccented'` also without accents.
 */
export type Tokens = { readonly as: 'lowercase' | 'unaccented' } & (
  | { readonly prefix: Prefix; readonly words?: true }
  | { readonly prefix?: never; readonly words: true }
);

interface NotSearched {
  readonly search?: never;
  readonly unique?: never;
}

interface Searched {
  /** Equal values can be found, and be seen to be equal: the blind index leaks frequency (ENVELOPE.md I2). */
  readonly search: Search;
  /** No two rows may hold an equal value; equal as `search` compares. */
  readonly unique?: true;
}

interface NotTokenised {
  readonly tokens?: never;
}

interface Unacknowledged extends NotTokenised {
  readonly acknowledgeLeak?: never;
}

interface Acknowledgeable extends NotTokenised {
  /** Why the leak is acceptable on a column of few values, where `search` is refused otherwise. */
  readonly acknowledgeLeak?: string;
}

interface Tokenised {
  /** Beginnings or words can be found, and be seen to be shared: see examples/searching.md. */
  readonly tokens: Tokens;
  /** Why that is acceptable. */
  readonly acknowledgeLeak: string;
}

interface Pseudonymised {
  readonly protect: 'pseudonymise';
  /** Leaves the pseudonym in a row that stays. It is still personal data, so it blocks every erasure that would do so (ERASURE.md A7). */
  readonly anonymise?: 'pseudonym';
}

interface TruncatedIp {
  readonly protect: 'truncate-ip';
  /** Leading bits of an IPv4 address that are kept: 24 (the CNIL developer guide's figure) unless said otherwise. */
  readonly v4?: 16 | 24;
  /** Leading bits of an IPv6 address that are kept: 48 unless said otherwise. */
  readonly v6?: 32 | 48;
  readonly quasiIdentifier?: true;
}

/**
 * What stays of a value in an anonymised row, where that is neither NULL nor a fixed value: a date's year or month, the first
 * characters of a postcode, the step of a scale that a number is on (towards zero), or a readable fake, made with
 * `@faker-js/faker`, that belongs to nobody.
 */
export type Anonymise =
  | { readonly to: 'month' | 'year' }
  | { readonly prefix: number }
  | { readonly range: number }
  | { readonly fake: Fake };

export type Fake = 'name' | 'first_name' | 'last_name' | 'username' | 'company' | 'email';

/** Columns that single somebody out together, though none does alone; and what nobody may learn of those they describe. */
interface Measured {
  /** Counts in k: rows that are equal in all quasi-identifiers of a table are told apart by none of them. */
  readonly quasiIdentifier?: true;
  /** Counts in l: how many different values it has among rows that are equal in all quasi-identifiers. */
  readonly sensitive?: true;
}

interface AnyClear extends Measured {
  readonly protect: 'clear';
  /** Why it may be read by whoever reads the database. */
  readonly because: string;
  /** `'none'` keeps the column's values out of PostgreSQL's statistics, which outlive the rows (ERASURE.md L4). */
  readonly statistics?: 'none';
}

type Clear = AnyClear &
  (
    | {
        /** What an anonymised row holds here, when the column is NOT NULL. */
        readonly replaceWith?: string | number | boolean;
        readonly anonymise?: never;
      }
    | { readonly replaceWith?: never; readonly anonymise: Anonymise }
  );

type Searches = (NotSearched & Unacknowledged) | (Searched & Acknowledgeable) | ((NotSearched | Searched) & Tokenised);

type Protection = (Encrypted & Searches) | Pseudonymised | TruncatedIp | Clear;

/** One personal column: what it is about, and how it is protected. */
export type PersonalSpec = Common & Categorised & Protection;

/** One column that is not personal, and why not. */
export interface NotPersonalSpec extends Measured {
  readonly notPersonal: string;
  readonly protect?: never;
}

/** What is declared of one column. */
export type ColumnSpec = PersonalSpec | NotPersonalSpec;

/** How long data is kept, and what happens then (ERASURE.md D1). */
export interface Retention<Then extends string = 'erase' | 'delete' | 'anonymise'> {
  readonly from: Anchor;
  readonly keep: Period;
  readonly then: Then;
  /** The ground: a law, an authority's figure, a decision. */
  readonly because?: string;
  /** Whose calendar counts: an IANA name; `'UTC'` unless said otherwise. */
  readonly timeZone?: string;
}

type TableRetention = Retention<'delete' | 'anonymise'> & { readonly archive?: never };
/** `archive: true` moves the whole row. */
type KeptInArchive<Column extends string> = Retention<'delete'> & { readonly archive: true | Archive<Column> };
type ArchivedRetention<Column extends string> = Retention<'archive'> & { readonly archive: LaterArchive<Column> };
type AnyRetention<Column extends string> = TableRetention | ArchivedRetention<Column>;
type GroundedRetention<Column extends string> =
  | ((TableRetention | KeptInArchive<Column>) & { readonly because: string })
  | ArchivedRetention<Column>;

interface Responsible {
  /** Who decides about the data, where that is not the operator of the service (GDPR Art. 4(7)). */
  readonly controller?: string;
  /** Who handles it on the controller's instruction (GDPR Art. 4(8)). */
  readonly processor?: string;
}

interface AboutTable extends Responsible, Referring {
  readonly purpose: string;
  /** Whose data it is, where one foreign key does not say so by itself. */
  readonly subject?: { readonly kind?: string; readonly via?: string };
}

/**
 * A table that holds data about a subject. Rows under a legal obligation are kept by default, and all that is kept
 * after an erasure names its ground and its end (GDPR Art. 17(3), 5(1)(e)).
 */
export type TableSpec<Column extends string = string> = AboutTable &
  (
    | { readonly basis: Basis; readonly onErase: Exclude<OnErase, 'keep'>; readonly retention?: AnyRetention<Column> }
    | {
        readonly basis: Exclude<Basis, 'legal_obligation'>;
        readonly onErase?: Exclude<OnErase, 'keep'>;
        readonly retention?: AnyRetention<Column>;
      }
    | { readonly basis: 'legal_obligation'; readonly onErase?: 'keep'; readonly retention: GroundedRetention<Column> }
    | { readonly basis: Basis; readonly onErase: 'keep'; readonly retention: GroundedRetention<Column> }
  );

/** A table whose rows are the data subjects. */
export interface SubjectSpec extends Responsible, Referring {
  readonly purpose: string;
  readonly basis: Basis;
  readonly retention: Retention & { readonly notices?: Notices };
  /**
   * The column that names the subject to the application; the primary key unless said otherwise. Of a type whose equal values
   * have one text: smallint, integer, bigint, uuid, text or varchar, without a nondeterministic collation.
   */
  readonly id?: string;
}

/**
 * What `annotate()` says of a table that already exists. Give the column names as `Column` and a misspelt one does not
 * compile.
 */
export interface AnnotateSpec<Column extends string = string> {
  readonly subject?: { readonly kind: string } & SubjectSpec;
  readonly data?: TableSpec<NoInfer<Column>>;
  readonly columns: { readonly [Name in Column]?: ColumnSpec };
}
