/**
 * Every text oubli raises, in one table: what happened, and what to write instead. `errors.ts` looks its texts up here.
 * A text may use the reader's own names (tables, columns, options); never a value.
 */

/** The names a text may speak of: identifiers, options, counts. Never a value of a row. */
export type Names = Readonly<Record<string, string | number | undefined>>;

interface Text {
  says(n: Names): string;
  fix(n: Names): string;
}

const didYouMean = (n: Names): string => (n.suggestion ? `, did you mean '${n.suggestion}'?` : '');
/** Where a declaration stands: `users.email`, or `users`. */
const place = (n: Names): string => [n.table, n.column].filter((name) => name !== undefined).join('.');
/** The reader's own declaration, corrected. */
const corrected = (n: Names): string => `${n.corrected}`;
/** Whose value an error speaks of, where it is known: `users.email`. */
const value = (n: Names): string => place(n) || 'a value';
/** The key under which the reader passed the value. */
const field = (n: Names): string => `${n.column ?? 'value'}`;
/** What does over sealed values what a constraint or an index was meant to do. */
const insteadOf = (n: Names): string => {
  if (n.what === 'unique') return `.personal({ …, protect: 'encrypt', search: 'exact', unique: true })`;
  if (n.what === 'index') return `.personal({ …, protect: 'encrypt', search: 'exact' })`;
  if (n.what === 'primary' || n.what === 'references') return `t.uuid('id').primary()  // a key that says nothing`;
  return `.personal({ …, protect: 'encrypt' })  // and the rule in the application, which sees the value`;
};

/** What holds: a case, or that she restricted the processing and opposes the erasure. */
const heldBy = (n: Names): string => (`${n.case}`.startsWith('restriction (') ? `${n.case}` : `case '${n.case}'`);
const released = (n: Names): string =>
  `${n.case}`.startsWith('restriction (')
    ? `await subject('${n.kind ?? 'user'}', id).liftRestriction({ because: 'say why', inform: () => tell(her) })`
    : `await holds.release('${n.case}', { because: 'say why' })`;
/** What keeps somebody is released beside the replay, which then comes to its end. */
const replayFix = (n: Names): string => {
  const replay = `npx oubli replay --journal ${n.journal}`;
  if (n.heldBy === undefined) return `${replay}  // once whoever writes to it was stopped`;
  const because = `because: 'lifted before the restore', inform: () => tell(her)`;
  return `${n.heldBy}`.startsWith('restriction (')
    ? `await duringReplay(knex, { keys, journal }, ({ liftRestriction }) => liftRestriction('user', id, { ${because} })), then ${replay}`
    : `npx oubli hold release '${n.heldBy}' --because 'released before the restore' --journal ${n.journal} && ${replay}`;
};
const rowNamed = (n: Names): string => (`${n.key}`.includes(', ') ? `{ ${n.key} }` : `${n.key}`);

/** Where Debian and its kin put it. */
const toolOf = (n: Names): string =>
  `/usr/lib/postgresql/${n.needed}/bin/${n.option === '--pg-dump' ? 'pg_dump' : 'pg_restore'}`;

/** The reader's call with a table's name in it. */
const called = (n: Names, table: Names[string]): string => {
  if (n.call === 'annotate') return `await annotate(knex, '${table}', { … })`;
  if (n.call === 'unprotect') return `await unprotect('${table}', { because: 'say why' })`;
  if (n.call === 'types') return `npx oubli types ${table}`;
  return `await ${n.call}('${table}')`;
};

export const texts = {
  // --- annotations -------------------------------------------------------------------------------------------------
  UNKNOWN_CATEGORY: {
    says: (n) => `${n.table}.${n.column}: unknown category '${n.given}'${didYouMean(n)}`,
    fix: corrected,
  },
  OWN_CATEGORY_UNMAPPED: {
    says: (n) => `${place(n)}: '${n.given}' is a category of your own, and nothing says what others call it`,
    fix: corrected,
  },
  BAD_MAPPING: {
    says: (n) =>
      n.option === 'dpv'
        ? `${place(n)}: '${n.given}' is no term of https://w3id.org/dpv/pd#, which read like 'pd:EmailAddress'`
        : `${place(n)}: '${n.given}' is no fideslang data category, which read like 'user.contact.email'`,
    fix: corrected,
  },
  MAPPED_ALREADY: {
    says: (n) => `${place(n)}: '${n.given}' is mapped already; 'mapsTo' goes with a category of your own ('own.…')`,
    fix: corrected,
  },
  BAD_SPEC: {
    says: (n) => `${place(n)}: ${n.option ? `'${n.option}'` : 'the declaration'} must be an object of named options`,
    fix: corrected,
  },
  UNKNOWN_OPTION: {
    says: (n) => `${place(n)}: unknown option '${n.option}'${didYouMean(n)}`,
    fix: corrected,
  },
  MISSING_OPTION: {
    says: (n) => `${place(n)}: '${n.option}' is missing or blank${n.choices ? `; it is one of ${n.choices}` : ''}`,
    fix: corrected,
  },
  BAD_OPTION: {
    says: (n) => `${place(n)}: '${n.option}' cannot be '${n.given}'${didYouMean(n) || `; it is one of ${n.choices}`}`,
    fix: corrected,
  },
  MISPLACED_OPTION: {
    says: (n) => `${place(n)}: '${n.option}' goes with protect: '${n.home}', and does nothing for '${n.protect}'`,
    fix: corrected,
  },
  NEEDS_SEARCH: {
    says: (n) => `${place(n)}: '${n.option}' needs 'search': without a blind index, equal values cannot be seen`,
    fix: corrected,
  },
  LEAKY_SEARCH: {
    says: (n) =>
      `${place(n)} is ${n.leaky}: with 'search', whoever reads the database counts its values and knows who has which`,
    fix: (n) => `${n.corrected}, or keep 'search' and add acknowledgeLeak: 'say why'`,
  },
  LEAKY_TOKENS: {
    says: (n) =>
      `${place(n)}: with 'tokens', whoever reads the database sees which rows share a beginning or a word, and how often each occurs; nothing says why that is acceptable`,
    fix: corrected,
  },
  CLEAR_WITHOUT_BECAUSE: {
    says: (n) => `${place(n)} would be readable to whoever reads the database, and nothing says why`,
    fix: corrected,
  },
  NOT_PERSONAL_WITHOUT_BECAUSE: {
    says: (n) => `${place(n)} is said not to be personal, and nothing says why`,
    fix: corrected,
  },
  BAD_PERIOD: {
    says: (n) =>
      `${n.table ? `${place(n)}: ` : ''}'${n.given}' is not a period of whole days, weeks, months or years${didYouMean(n)}`,
    fix: corrected,
  },
  BAD_TIME_ZONE: {
    says: (n) => `${place(n)}: '${n.given}' is not the name of an IANA time zone${didYouMean(n)}`,
    fix: corrected,
  },
  KEEP_WITHOUT_GROUND: {
    says: (n) =>
      `${place(n)}: rows that outlive an erasure need an end and a legal ground (GDPR 17(3)): 'retention' with 'because'`,
    fix: corrected,
  },
  BAD_SUBJECT_KIND: {
    says: (n) => `${place(n)}: '${n.given}' cannot name a kind of person: one word of lower-case letters, digits and _`,
    fix: corrected,
  },

  SUBJECT_UNREACHABLE: {
    says: (n) => `${n.table}: no foreign key leads to a table of data subjects (known kinds: '${n.kinds}')`,
    fix: (n) => `t.foreign('user_id').references('${n.subjects}.id')  // in ${n.table}, or in a table it refers to`,
  },
  SUBJECT_AMBIGUOUS: {
    says: (n) => `${n.table}: several foreign keys lead to data subjects, through '${n.ways}'`,
    fix: (n) => `t.personalData({ …, subject: { via: '${n.via}' } })`,
  },
  // --- references that PostgreSQL does not know --------------------------------------------------------------------
  BAD_REFERENCE: {
    says: (n) => `${place(n)}: 'references' says what a row refers to without a foreign key: ${n.why}`,
    fix: corrected,
  },
  NO_SUCH_TARGET: {
    says: (n) => `${n.table}: a reference goes to ${n.to}, and there is no such table`,
    fix: (n) => `references: [{ columns: […], to: 'schema.table' }]  // of ${n.table}, instead of ${n.to}`,
  },
  REFERENCE_TYPE: {
    says: (n) =>
      `${place(n)} refers to ${n.of}, and their types cannot be compared; equal types can, numbers of any size with each other, and an integer or a uuid with a text or a value inside JSON`,
    fix: (n) => `alter table ${n.table} alter column ${n.column} type …  -- that of ${n.of}`,
  },
  REFERENCE_COLUMN: {
    says: (n) =>
      n.type === undefined
        ? `${place(n)} is protected, so nobody can see what its row refers to`
        : `${place(n)} is ${n.type}, and a value inside JSON stands in json or jsonb`,
    fix: (n) =>
      n.type === undefined
        ? `references: [{ columns: ['user_id'], to: … }]  // a column of ${n.table} that is not protected`
        : `references: [{ columns: ['${n.column}'], to: … }]`,
  },
  SUBJECT_BY_TYPE: {
    says: (n) =>
      `${n.table}: its values are sealed under one person's key, and ${n.column} leads to several people or kinds of them, as another column says; none is guessed`,
    fix: () =>
      `t.personalData({ …, subject: { kind: 'user', via: 'user_id' } })  // one column for one kind: t.integer('user_id').references('users.id')`,
  },
  SUBJECT_IN_JSON: {
    says: (n) =>
      `${n.table}: its values are sealed under the key of whoever ${n.column} names inside its JSON, which is written as a whole and moved by any change; a row with sealed values names its person in a column`,
    fix: (n) =>
      `t.personalData({ …, references: [{ columns: ['user_id'], to: '${n.to}', on: ['${n.of}'] }] })  // a column of ${n.table}`,
  },
  DETACH_PERSONAL: {
    says: (n) =>
      `${place(n)} is personal, and onErase: 'detach' would leave it to a row without its person (GDPR 17(1))`,
    fix: () => `t.personalData({ …, onErase: 'anonymise' })  // or 'delete'`,
  },
  DETACH_NOT_NULL: {
    says: (n) => `${place(n)} may not be NULL, so onErase: 'detach' cannot take the link away`,
    fix: (n) => `alter table ${n.table} alter column ${n.column} drop not null`,
  },

  IF_NOT_EXISTS: {
    says: (n) => `${n.table}: a table that may exist already cannot be declared personal while it is created`,
    fix: (n) => `knex.schema.createTable('${n.table}', …)`,
  },
  ALTER_DECLARED: {
    says: (n) => `${n.table}.${n.column}: .alter() cannot change how an existing column is protected`,
    fix: (n) => `await annotate(knex, '${n.table}', { columns: { ${n.column}: { … } } })`,
  },
  CONSTRAINT_ON_SEALED: {
    says: (n) => `${n.table}.${n.column}: '${n.what}' would look at ciphertext, which differs at every write`,
    fix: (n) => `${insteadOf(n)}  // ${n.table}.${n.column}, instead of .${n.what}()`,
  },
  DOMAIN_TAKEN: {
    says: (n) => `the type oubli.${n.domain} is still that of ${n.column}, as a migration left it that ended half way`,
    fix: (n) => `alter table … drop column …  -- ${n.column}; then run the migration again`,
  },
  NO_SINGLE_KEY: {
    says: (n) => `${n.table}: its primary key is not one column, so nothing names the subject`,
    fix: () => `t.dataSubject('user', { …, id: 'public_id' })  // a column that is unique and never changes`,
  },
  SUBJECT_ID_TYPE: {
    says: (n) =>
      `${n.table}.${n.column}: equal values of type ${n.type} have several spellings, which would be several people with a key each; smallint, integer, bigint, uuid, text and varchar can name a subject`,
    fix: () => `t.dataSubject('user', { …, id: 'public_id' })  // t.uuid('public_id').notNullable().unique()`,
  },
  SUBJECT_KEY_TYPE: {
    says: (n) =>
      `${place(n)}: it refers to ${n.of}, whose ids are ${n.wanted}, as ${n.type}, which writes one of them in several ways: nobody could tell whose the row is`,
    fix: (n) => `alter table ${n.table} alter column ${n.column} type ${n.wanted}`,
  },
  KIND_TAKEN: {
    says: (n) => `${n.table}: the subjects of kind '${n.kind}' are the rows of ${n.other} already`,
    fix: (n) => `t.dataSubject('${n.kind}_of_${n.table}', { … })  // another kind, or t.personalData({ … })`,
  },
  GROUP_OF_COMPOUND: {
    says: (n) => `${place(n)}: a search group compares single values, and 'with' indexes several`,
    fix: corrected,
  },
  COMPOUND_ON_ROWS: {
    says: (n) =>
      `${place(n)}: a compound index is declared while its table is empty; the backfill has one column's values at a time`,
    fix: (n) => `t.text('${n.column}_sealed').personal({ … })  // a new column, written from the old one through oubli`,
  },
  COMPOUND_MEMBER: {
    says: (n) =>
      `${place(n)} is to be indexed with ${n.other}, which is no other sealed column of this table, or is no text and compared otherwise than 'exact'`,
    fix: () =>
      `.personal({ …, protect: 'encrypt', search: { as: …, with: { …: 'exact' } } })  // of a new table, or a new column`,
  },
  GROUP_MISMATCH: {
    says: (n) =>
      `the search group '${n.group}' compares what ${n.other} compares: another normaliser or another type would match nothing there`,
    fix: () => `.personal({ …, search: { as: …, group: … } })  // as the group's other columns, or another group`,
  },
  TYPE_NOT_PROTECTABLE: {
    says: (n) => `${n.table}.${n.column}: type '${n.type}' cannot be protected by '${n.protect}'; it needs ${n.wanted}`,
    fix: (n) => `t.text('${n.column}').personal({ …, protect: '${n.protect}' })`,
  },
  NO_SUCH_TABLE: {
    says: (n) => `${n.call}(): there is no table ${n.table}${didYouMean(n)}`,
    fix: (n) => called(n, n.suggestion ?? n.table),
  },
  AMBIGUOUS_NAME: {
    says: (n) => `${n.call}(): the schemas '${n.schemas}' each hold a table ${n.table}`,
    fix: (n) => called(n, `${n.schema}.${n.table}`),
  },
  NO_SUCH_COLUMN: {
    says: (n) => `${n.table}: there is no column ${n.column}${didYouMean(n)}`,
    fix: (n) => `columns: { ${n.suggestion ?? n.column}: { … } }`,
  },
  COLUMN_IN_USE: {
    says: (n) =>
      `${n.table}.${n.column}: ${n.what} depends on the column as it is and would mean nothing over ciphertext`,
    fix: (n) => `${n.drop}  -- then annotate(), with search: 'exact' and unique: true where it was unique`,
  },
  TYPE_DEPENDED_ON: {
    says: (n) => `${place(n)}: its type cannot change while something is made of it: ${n.what}`,
    fix: (n) =>
      `${n.drop}  -- then this again, then make it anew: its text is in your migrations, or in pg_dump --schema-only`,
  },
  NO_TRANSITION: {
    says: (n) => `${n.table}: no column of it waits to be sealed`,
    fix: (n) => `await annotate(knex, '${n.table}', { columns: { … } })`,
  },
  NOBODYS_ROWS: {
    says: (n) =>
      `${n.table}: ${n.count} rows wait to be sealed, and through ${n.column} they lead to nobody; nothing was sealed`,
    fix: (n) => `select * from ${n.nobodys}  -- give them their person, or delete them; then backfill again`,
  },
  COPY_WAITS: {
    says: (n) => `${place(n)} holds values that were copied from ${n.of} before they were sealed, as they were`,
    fix: (n) => `drop table ${n.copy}  -- or empty it; then backfill('${n.of}') again`,
  },
  DUPLICATES: {
    says: (n) =>
      `${place(n)} is to be unique, and ${n.count} of its values stand in several rows each; what was done stays, and is not finished`,
    fix: (n) => `${n.query}  -- keep one row of each, then ${n.again}`,
  },
  TYPE_SHARED: {
    says: (n) => `${place(n)}: ${n.other} has its type, and would be left with it`,
    fix: (n) => `drop that view or table, npx oubli unprotect ${n.table} ${n.column}, and make it anew  -- ${n.other}`,
  },
  NOT_PROTECTED: {
    says: (n) => `${place(n)} is not protected${didYouMean(n)}`,
    fix: (n) => `npx oubli unprotect ${n.table} ${n.suggestion ?? ''}`.trimEnd(),
  },
  NULL_OF_ERASED: {
    says: (n) => `${place(n)} is NOT NULL, and a person in it was erased: nothing of her is left to stand there`,
    fix: (n) => `alter table ${n.sql} alter column ${n.quoted} drop not null  -- then npx oubli unprotect again`,
  },
  REPLACEMENT_MISSING: {
    says: (n) =>
      `${n.table}.${n.column}: NOT NULL and of type ${n.type}, so an anonymised row needs a value to hold here`,
    fix: (n) => `.personal({ …, protect: 'clear', because: '…', replaceWith: … })  // ${n.table}.${n.column}`,
  },
  PROTECTION_LOST: {
    says: (n) =>
      `${n.table}.${n.column} is declared '${n.protect}', but its type is ${n.type} now: values would be stored as they are`,
    fix: (n) => `await annotate(knex, '${n.table}', { columns: { ${n.column}: { …, protect: '${n.protect}' } } })`,
  },
  UNKNOWN_ANCHOR: {
    says: (n) =>
      `${n.table}: retention starts from '${n.column}', which is no date or timestamp column of it${didYouMean(n)}`,
    fix: (n) => `retention: { from: '${n.suggestion ?? 'ended_on'}', … }`,
  },

  // --- values and keys ---------------------------------------------------------------------------------------------
  VALUE_NOT_TEXT: {
    says: (n) => `${value(n)} is text, and a ${n.given} was given: it would come back as another type`,
    fix: (n) => `{ ${field(n)}: String(value) }`,
  },
  VALUE_ILL_FORMED: {
    says: (n) => `${value(n)}: half of a surrogate pair, which UTF-8 cannot hold; it would come back as U+FFFD`,
    fix: (n) => `{ ${field(n)}: value.toWellFormed() }`,
  },
  VALUE_HAS_NUL: {
    says: (n) => `${value(n)}: a NUL character, which no text of PostgreSQL can hold`,
    fix: (n) => `{ ${field(n)}: value.replaceAll('\\0', '') }`,
  },
  VALUE_NOT_BYTES: {
    says: (n) => `${value(n)} holds bytes, and something else was given`,
    fix: (n) => `{ ${field(n)}: Buffer.from(value) }`,
  },
  VALUE_NOT_JSON: {
    says: (n) => `${value(n)} has no JSON form, or is a string and no JSON text`,
    fix: (n) => `{ ${field(n)}: JSON.stringify(value) }`,
  },
  VALUE_NOT_INTEGER: {
    says: (n) => `${value(n)} is an integer; a number beyond 2^53 - 1 is no longer exact`,
    fix: (n) => `{ ${field(n)}: BigInt(value) }, a decimal string, or a safe integer`,
  },
  VALUE_NOT_NUMERIC: {
    says: (n) => `${value(n)} is a decimal number: digits with at most one point, or a finite number`,
    fix: (n) => `{ ${field(n)}: '12.50' }`,
  },
  VALUE_NOT_DATE: {
    says: (n) => `${value(n)} is a day of the calendar, with neither time nor zone`,
    fix: (n) => `{ ${field(n)}: '2024-05-01' } or a valid Date, of which the local day counts`,
  },
  VALUE_NOT_TIMESTAMP: {
    says: (n) => `${value(n)} is a date and time in ISO 8601, or a valid Date`,
    fix: (n) => `{ ${field(n)}: '2024-05-01 10:00:00' }`,
  },
  VALUE_HAS_ZONE: {
    says: (n) => `${value(n)} is a wall clock without a zone; PostgreSQL would drop the offset without a word`,
    fix: (n) => `{ ${field(n)}: '2024-05-01 10:00:00' }, or declare the column timestamptz`,
  },
  VALUE_LACKS_ZONE: {
    says: (n) => `${value(n)} is an instant, and without an offset it depends on the session that reads it`,
    fix: (n) => `{ ${field(n)}: '2024-05-01T10:00:00Z' } or a Date`,
  },
  VALUE_TOO_PRECISE: {
    says: (n) => `${value(n)}: PostgreSQL keeps microseconds; the further digits would be lost`,
    fix: (n) => `{ ${field(n)}: '2024-05-01T10:00:00.123456Z' }`,
  },
  VALUE_NOT_BOOLEAN: {
    says: (n) => `${value(n)} is a boolean`,
    fix: (n) => `{ ${field(n)}: true }, or 't', 'f', 'true', 'false'`,
  },
  VALUE_OUT_OF_RANGE: {
    says: (n) => `${value(n)} is beyond what PostgreSQL's type can hold`,
    fix: (n) => `check ${n.column ?? 'the value'} before it is written`,
  },
  VALUE_TOO_LONG: {
    says: (n) => `${value(n)} is longer than ${n.limit} bytes, the most one sealed value may have`,
    fix: (n) =>
      `keep files outside the table, and in ${n.column ?? 'the column'} only their name; or declare it with { maxBytes: ${Math.min(2 * Number(n.limit), 16_777_216)} }`,
  },
  VALUE_NOT_EMAIL: {
    says: (n) => `${value(n)} is searched as an e-mail address, and this has no local part or no domain`,
    fix: (n) => `{ ${field(n)}: 'ada@example.org' }, or search: 'exact' for what is no address`,
  },
  EMAIL_HAS_INVISIBLES: {
    says: (n) => `${value(n)}: an address with a character that cannot be seen; nobody would find it again`,
    fix: (n) => `ask for ${n.column ?? 'the address'} anew, or take out white space, zero width and bidi characters`,
  },
  VALUE_NOT_ORDERED: {
    says: (n) => `${value(n)}: this connection's type parser makes something of it that has no order`,
    fix: () => 'sort in the application, which knows what its parser makes',
  },
  VALUE_HAS_MANY_WORDS: {
    says: (n) => `${value(n)} has more than ${n.most} different words, the most that one value can be found by`,
    fix: (n) => `split ${n.column ?? 'the text'} into several rows, or declare the column without words: true`,
  },
  VALUE_HAS_NO_DIGITS: {
    says: (n) => `${value(n)} is searched by its digits, and this has none: all such values would be equal`,
    fix: (n) => `{ ${field(n)}: null } where there is no number, or search: 'exact' for what is none`,
  },
  VALUE_NOT_IP: {
    says: (n) => `${value(n)} is one IP address in its usual form`,
    fix: (n) => `{ ${field(n)}: req.ip }; of a list as in X-Forwarded-For, the one entry you trust`,
  },
  NORMALISER_NEEDS_TEXT: {
    says: (n) => `${place(n)}: search: '${n.normaliser}' compares texts, and the type is ${n.codec}`,
    fix: () => `.personal({ …, search: 'exact' })`,
  },
  TOKENS_NEED_TEXT: {
    says: (n) => `${place(n)}: 'tokens' are of the beginning or the words of a text, and the type is ${n.codec}`,
    fix: () => `.personal({ … }) without 'tokens', or t.text(…)`,
  },
  JSON_NOT_SEARCHABLE: {
    says: (n) => `${place(n)}: JSON cannot be searched: one value has many texts, and a blind index knows only one`,
    fix: () => `.personal({ … }) without 'search', or a column of its own for what is searched`,
  },
  SEALED_VALUE_TAMPERED: {
    says: (n) => `${place(n) || 'a sealed value'} is not what was sealed, or not where it was sealed`,
    fix: (n) => `look who wrote to ${place(n) || 'the row'} without oubli; a backup still holds what was there`,
  },
  WRAPPED_KEY_TAMPERED: {
    says: (n) => `a subject key is not what was wrapped under epoch key ${n.epoch}, or the epoch key is another`,
    fix: () => `npx oubli check, and compare the epoch keys with the ones the installation began with`,
  },
  KEY_UNUSABLE: {
    says: () => `a key is not 32 bytes, or all zero, as it is after its cache was closed`,
    fix: () => `repeat the query on an open connection; no query may outlive knex.destroy()`,
  },

  LONGER_THAN_DECLARED: {
    says: (n) => `${value(n)}: longer than the ${n.most} characters its column was declared with`,
    fix: (n) => `t.string('${n.column ?? 'name'}', …)  // declare the column longer, or shorten the value`,
  },
  WIDER_THAN_DECLARED: {
    says: (n) => `${value(n)}: does not fit numeric(${n.precision}, ${n.scale}), as its column was declared`,
    fix: (n) => `t.decimal('${n.column ?? 'amount'}', …)  // declare the column wider`,
  },

  // --- configuration and keys --------------------------------------------------------------------------------------
  KEY_DOCUMENT: {
    says: (n) => `${n.provider}: this is not a key document`,
    fix: () => 'npx oubli keys generate --out oubli.keys',
  },
  KEY_INVALID: {
    says: (n) => `${n.provider}: the ${n.role} key ${n.why}`,
    fix: () =>
      'npx oubli keys generate --out oubli.keys  # for a new installation; else restore the key from its backup',
  },
  KEY_FILE_MISSING: {
    says: (n) => `the key file ${n.file} does not exist`,
    fix: (n) => `npx oubli keys generate --out ${n.file}  # for a new installation; else restore it`,
  },
  KEY_FILE_OPEN: {
    says: (n) => `the key file ${n.file} can be read by others than its owner`,
    fix: (n) => `chmod 600 ${n.file}`,
  },
  KEY_FILE_EXISTS: {
    says: (n) => `${n.file} exists; a key file is never overwritten, since what it seals would be lost`,
    fix: () => 'npx oubli keys generate --out another.keys',
  },
  KEY_VARIABLE_MISSING: {
    says: (n) => `the environment variable ${n.variable} is empty or not set`,
    fix: (n) => `export ${n.variable}="$(cat oubli.keys)"`,
  },
  WRONG_EPOCH_KEY: {
    says: (n) => `${n.provider}: the key of epoch ${n.epoch} is not the one this database was sealed with`,
    fix: (n) => `restore the key document that holds epoch ${n.epoch} of this installation`,
  },
  UNKNOWN_EPOCH: {
    says: (n) => `${n.provider}: has no key of epoch ${n.epoch}, which this database needs`,
    fix: (n) =>
      `restore the keys that hold epoch ${n.epoch} of this installation; if they were destroyed, a backup from after the epoch was drained`,
  },
  BAD_EPOCH: {
    says: (n) => `${n.provider}: ${n.given} is the number of no epoch`,
    fix: () => 'npx oubli keys list  # whole numbers from 1 on, as it names them',
  },
  EPOCHS_READ_ONLY: {
    says: (n) =>
      `${n.provider}: keys of epochs cannot be made or destroyed there by this process${n.why ? ` (${n.why})` : ''}`,
    fix: (n) =>
      n.file
        ? `chmod u+w ${n.file}  # and its folder, for the user who rotates`
        : `localKeys({ file: './oubli.keys' })  // or another provider with openEpoch() and destroyEpoch()`,
  },
  NEWEST_EPOCH: {
    says: (n) =>
      `${n.provider}: epoch ${n.epoch} is the newest, under which all new keys are wrapped; it cannot be destroyed`,
    fix: () => 'npx oubli keys rotate  # a newer one takes its place first',
  },
  KEY_FILE_BUSY: {
    says: (n) => `${n.file} is being written by another process`,
    fix: () => 'retry in some seconds',
  },
  WRONG_ROOT_KEY: {
    says: (n) =>
      `${n.provider}: the ${n.role} key is not the one this database was set up with; searches would match nothing`,
    fix: () => 'restore the key document of this installation',
  },
  KEY_STORE_WITHOUT_KNEX: {
    says: () => "'keyStore' names no Knex instance",
    fix: () => "keyStore: { knex: knexPackage({ client: 'pg', connection: process.env.KEY_STORE_URL }) }",
  },
  KEY_STORE_ELSEWHERE: {
    says: () =>
      'the key store that was given is in another database, or in a copy of this one: keys made there would open nothing that is written here',
    fix: () => "keyStore: { knex }  // on the application's own database, under the role of npx oubli roles --keystore",
  },
  KEY_USE_UNSEEN: {
    says: (n) =>
      `whether keys are still used cannot be told, and none is destroyed: ${n.owner}, who owns oubli's functions, may not read ${n.table}, where sealed values stand`,
    fix: (n) => `grant select on ${n.table} to ${n.owner};  -- and usage on its schema`,
  },
  KEYS_UNUSED_AT_ONCE: {
    says: (n) =>
      `nobody's row is there any more of ${n.counted} of the ${n.total} keys of ${n.kind}, which is more than ${n.percent} %: none of any kind is destroyed`,
    fix: (n) =>
      `await db.sweep({ breaker: { rules: { ${JSON.stringify(n.rule)}: 1 } } });  // if they are gone for good; else load the table again`,
  },
  KEYS_UNUSED_WAIT: {
    says: () =>
      'keys that nobody uses are due to be destroyed for a week and are not: each time transactions were open that might be writing under them',
    fix: () =>
      'select pid, xact_start, state, application_name from pg_stat_activity where xact_start is not null order by xact_start;  -- end the oldest, or sweep when fewer are at work; then select * from pg_prepared_xacts',
  },
  KEY_CONTENTION: {
    says: (n) => `the key of a ${n.kind} could not be found or created in five attempts`,
    fix: () => 'retry the statement',
  },
  KEY_MISSING: {
    says: () => 'the key that a sealed value names is neither in the key store nor known to be destroyed',
    fix: () => 'restore the key store (schema oubli) to the same moment as the data, and retry',
  },
  VALUE_RESEALED: {
    says: () =>
      'a sealed value names a key that was replaced and destroyed: it was sealed anew since it was read, or is a copy from before',
    fix: () =>
      'run the statement again; a value of which it is said again was copied past oubli: take it from where it was copied from',
  },
  EPOCH_KEY_MISSING: {
    says: (n) => `the provider has no key of epoch ${n.epoch}, under which the database has wrapped keys`,
    fix: (n) =>
      `give this process the keys that hold epoch ${n.epoch}: those of the process that opened it; then retry`,
  },
  EPOCH_KEY_UNASKED: {
    says: (n) => `the key of epoch ${n.epoch} is not had yet: ${n.provider} was asked just now, and failed (${n.why})`,
    fix: () => 'retry in a second',
  },
  EPOCH_NOT_KEPT: {
    says: (n) =>
      `${n.provider}: does not give the key of epoch ${n.epoch} to whoever starts now, or another one; nothing was destroyed`,
    fix: (n) => `look where ${n.provider} keeps its keys: each process must be given the same`,
  },
  EPOCH_NOT_DRAINED: {
    says: (n) =>
      `subject keys are wrapped under epoch ${n.epoch}, of the living or of who is held: its key is not destroyed`,
    fix: () => 'npx oubli keys rotate  # wraps them under the newest epoch',
  },
  NO_SUCH_EPOCH: {
    says: (n) => `there is no epoch ${n.epoch}`,
    fix: () => 'npx oubli keys list',
  },
  WRAPPED_KEYS_DAMAGED: {
    says: (n) =>
      `${n.count} wrapped keys were changed in the key store and cannot be opened, that of the key id ${n.key} among them; all others were wrapped anew`,
    fix: () => 'restore these rows of oubli.subject_key from a backup, and run npx oubli keys rotate again',
  },
  VALUES_DAMAGED: {
    says: (n) =>
      `${n.count} rows of ${n.table} hold a sealed value that was changed and cannot be opened: they are as they were, and their keys stay; all others were sealed anew`,
    fix: (n) =>
      `restore these rows of ${n.table} from a backup, or write them anew, and run npx oubli keys compromised again`,
  },
  RESEAL_VIEW: {
    says: (n) => `the materialised view ${n.view} holds values under keys that were replaced`,
    fix: (n) => `refresh materialized view ${n.view}; -- then npx oubli keys compromised again`,
  },
  RESEAL_STAYS: {
    says: (n) =>
      `${n.table}.${n.column} holds values under keys that were replaced, within arrays, rows or ranges, generated, or in another database, where they are not sealed anew`,
    fix: (n) => `update ${n.table} set ${n.column} = null; -- make them anew; then npx oubli keys compromised again`,
  },
  RESEAL_KEPT: {
    says: (n) =>
      `a trigger keeps ${n.count} rows of ${n.table} as they are, with values under keys that were replaced; all others were sealed anew`,
    fix: (n) =>
      `alter table ${n.table} disable trigger user; -- while npx oubli keys compromised runs again; or let the trigger pass application_name 'oubli sweep'`,
  },
  RESEAL_WAITS: {
    says: (n) => `rows of ${n.table} hold values that wait to be sealed, beside others that are to be sealed anew`,
    fix: (n) =>
      `npx oubli backfill ${n.table}  # or unprotect, if that was begun; then npx oubli keys compromised again`,
  },
  KEY_REPLACED: {
    says: (n) =>
      `a value${n.table ? ` in ${n.table}` : ''} was sealed under a key that was replaced at this moment, or destroyed because nobody used it`,
    fix: () => 'run the transaction again: it is sealed under the new key then',
  },
  KEY_STORE_BUSY: {
    says: () =>
      'transactions that write keys have kept the key store locked: that its old epochs are empty could not be verified',
    fix: () => 'npx oubli keys rotate  # again, in a quieter moment',
  },
  DESTRUCTION_UNCLEAR: {
    says: (n) => `${n.provider}: does not say what became of the key that it was to destroy`,
    fix: () => "destroyEpoch: async () => ({ is: 'destroyed', proven: false, how: '…' })",
  },
  EPOCH_NOT_CONFIRMED: {
    says: (n) => `nothing was done: '${n.phrase}' was not typed`,
    fix: (n) => `npx oubli keys ${n.verb} ${n.epoch} --because 'say why'  # and type ${n.phrase} when asked`,
  },
  BAD_KEEP: {
    says: (n) => `'${n.given}' is no period`,
    fix: () => "keep: '35 days'  // a whole number of days, weeks, months or years; or 'none'",
  },
  EPOCH_CONTENTION: {
    says: () => 'a key could not be wrapped in five attempts: each time another epoch had become the newest',
    fix: () => 'retry the statement',
  },
  // --- key services ------------------------------------------------------------------------------------------------
  INSTALLATION_NAME: {
    says: () =>
      `'installation' names this installation at its key service: small letters, digits and single hyphens, 2 to 48`,
    fix: () => `installation: 'shop-production'`,
  },
  KEY_SERVICE_ADDRESS: {
    says: () =>
      `'address' is not the https address of a key service; keys do not travel unencrypted, and an address holds no password`,
    fix: () => `address: 'https://vault.example.org:8200'  // http: only to this host, such as http://127.0.0.1:8100`,
  },
  KEY_SERVICE_TOKEN: {
    says: (n) => `${n.provider}: there is no token to ask with`,
    fix: () => `token: () => readFile('/run/vault/token', 'utf8')  // or the token itself`,
  },
  KEY_SERVICE_REFUSED: {
    says: (n) => `${n.provider} refused ${n.call}: ${n.why}`,
    fix: (n) =>
      n.why === 'not set up'
        ? 'AWS_REGION=eu-west-3 AWS_PROFILE=shop  # in the environment; or region and client, or the role of the host'
        : /CERT|TLS|SSL|LEAF_SIGNATURE/.test(`${n.why}`)
          ? 'NODE_EXTRA_CA_CERTS=/etc/ssl/our-ca.pem  # in the environment, before Node starts'
          : `allow ${n.call} in the policy of this application (examples/key-providers.md), and renew its credentials`,
  },
  KEY_SERVICE_UNREACHABLE: {
    says: (n) => `${n.provider} cannot be asked for keys now: ${n.call}: ${n.why}`,
    fix: () => 'retry when it answers again; what is in memory goes on being read and written',
  },
  KEY_SERVICE_ANSWER: {
    says: (n) =>
      `${n.provider}: the answer to ${n.call} is none of such a service; something else stands at this address`,
    fix: (n) =>
      /^AWS/.test(`${n.provider}`)
        ? `region: 'eu-west-3'  // and no endpoint, or one of KMS itself`
        : `address: 'https://vault.example.org:8200'  // of the service itself`,
  },
  KEY_SERVICE_UNBOUND: {
    says: (n) => `${n.provider} opens a key in another one's place: it overlooks what a wrapped key is bound to`,
    fix: () => 'update it: Vault binds keys from 1.13 on',
  },
  KEY_SERVICE_ELSEWHERE: {
    says: (n) =>
      `${n.provider}: '${n.key}', which wraps the roots, is not there; so nothing is said of what else is gone`,
    fix: () => 'ask the service that wrapped these keys: its address, region, namespace and mount',
  },
  KMS_CLIENT_MISSING: {
    says: () => `keys of AWS KMS need Amazon's own client, and @aws-sdk/client-kms is not installed`,
    fix: () => 'npm install @aws-sdk/client-kms',
  },
  KMS_WAITING_DAYS: {
    says: () => `AWS waits 7 to 30 whole days before it deletes a key`,
    fix: () => 'waitingDays: 7',
  },
  WRAPPED_DOCUMENT: {
    says: (n) => `${n.provider}: this is not a document of wrapped keys, or of a newer version`,
    fix: () => 'restore the document of this installation from its backup',
  },
  WRAPPED_DOCUMENT_MISSING: {
    says: (n) => `${n.store} holds no document of wrapped keys`,
    fix: () => 'await keys.create()  // for a new installation; else restore the document from its backup',
  },
  WRAPPED_DOCUMENT_EXISTS: {
    says: (n) => `${n.store} holds a document already; it is never overwritten, since what it wraps would be lost`,
    fix: () => `documentFile({ file: './other.keys.json' })  // or documentTable({ pool, table: 'other_keys' })`,
  },
  WRAPPED_ELSEWHERE: {
    says: (n) => `${n.provider}: these keys were not wrapped for ${n.option} '${n.given}'`,
    fix: () => 'restore the document of this installation from its backup, or name the installation it belongs to',
  },
  WRAPPED_KEY_REFUSED: {
    says: (n) =>
      `${n.provider}: the ${n.role} key does not open (${n.why}): its document is another one's or damaged, or '${n.key}' is gone`,
    fix: (n) => `restore the document of this installation from its backup, and enable '${n.key}'`,
  },
  EPOCH_DESTROYED: {
    says: (n) => `${n.provider}: the key of epoch ${n.epoch} was destroyed, and its number is never used again`,
    fix: () => 'npx oubli keys rotate  # opens the next one',
  },
  KEY_TABLE_MISSING: {
    says: (n) => `the table ${n.table} for the document of wrapped keys does not exist`,
    fix: (n) => `create table ${n.quoted} (document text not null, one boolean primary key default true check (one))`,
  },
  KEY_TABLE_REFUSED: {
    says: (n) => `PostgreSQL refused to read or change the table ${n.table} (SQLSTATE ${n.why})`,
    fix: (n) => `grant select, insert, update on ${n.quoted} to app  -- the role that asked`,
  },
  KEY_TABLE_UNREACHABLE: {
    says: (n) => `the table ${n.table} of wrapped keys cannot be read now (${n.why})`,
    fix: () => 'retry when its database answers again',
  },
  KEY_TABLE_CONTENDED: {
    says: (n) => `other processes changed the table ${n.table} five times in a row`,
    fix: () => 'retry',
  },
  NOT_READY: {
    says: () => 'this Knex instance is protected, but oubli() has not finished, or was closed',
    fix: () => 'const { db } = await oubli(knex, { keys })  // and query through db before close()',
  },
  NOT_POSTGRES: {
    says: (n) => `oubli protects Knex on PostgreSQL through pg; this instance uses '${n.driver}'`,
    fix: () => "knex({ client: 'pg', connection: … })",
  },
  IS_TRANSACTION: {
    says: () => 'oubli() takes the Knex instance, not a transaction of it',
    fix: () => 'await oubli(knex, { keys })  // before knex.transaction(…)',
  },
  PIPELINE: {
    says: () => `pg's pipeline mode knows no Describe, by which oubli learns what the parameters of raw SQL are`,
    fix: () => "knex({ client: 'pg', connection: { …, pipeline: false } })",
  },
  BYTEA_PARSER: {
    says: (n) =>
      `${place(n)}: this connection's type parser for bytea gives neither bytes nor PostgreSQL's text of them`,
    fix: () => 'types.setTypeParser(17, (text) => text)  // or leave bytea to pg',
  },
  LINT_NEEDS_16: {
    says: () => 'raw queries are linted by EXPLAIN (GENERIC_PLAN), which PostgreSQL knows from version 16 on',
    fix: () => 'run the lint in a test job on PostgreSQL 16 or newer',
  },
  NOT_ANNOTATING: {
    says: (n) => `${n.method} was called on a Knex client that would ignore it`,
    fix: () => "import { AnnotatingClient } from 'oubli'; export default { client: AnnotatingClient, … }  // knexfile",
  },
  UNKNOWN_VERSION: {
    says: (n) => `install(): there is no schema version ${n.version}; this library knows 1 to ${n.newest}`,
    fix: (n) => `await install(knex, { version: ${n.newest} })`,
  },
  OWN_SCHEMA_FIRST: {
    says: () =>
      `the search path of this role begins with the schema 'oubli': its tables would be made there, among the library's own, and nothing in them protected`,
    fix: (n) => `alter role "${n.role}" set search_path = public  -- or connect as a role of another name than 'oubli'`,
  },
  NOT_INSTALLED: {
    says: () => 'the schema oubli is not installed in this database',
    fix: (n) => `export const up = (knex) => install(knex, { version: ${n.version} })  // in a migration`,
  },
  SCHEMA_TOO_NEW: {
    says: (n) => `the schema oubli is at version ${n.version}; this library knows up to ${n.known}`,
    fix: () => 'npm install oubli@latest',
  },
  SCHEMA_TOO_OLD: {
    says: (n) => `the schema oubli is at version ${n.version}; this library needs ${n.needed}`,
    fix: (n) => `export const up = (knex) => install(knex, { version: ${n.needed} })  // in a new migration`,
  },
  STILL_IN_USE: {
    says: (n) => `${n.table}.${n.column} still has a protected type; removing the schema would drop the column`,
    fix: (n) => `await knex.schema.alterTable('${n.table}', (t) => t.dropColumn('${n.column}'))`,
  },
  NO_DATABASE_URL: {
    says: () => 'which database? None of --url, --knexfile and DATABASE_URL says so',
    fix: (n) =>
      `npx oubli ${n.verb} --url postgres://user@host/database  // or --knexfile ./knexfile.ts --env production`,
  },
  TWO_DATABASES: {
    says: () => 'which database? Both --url and --knexfile say one',
    fix: (n) => `npx oubli ${n.verb} --knexfile ${n.file}`,
  },
  ENV_WITHOUT_KNEXFILE: {
    says: (n) => `--env ${n.given} names an environment of a knexfile, and none was given`,
    fix: (n) => `npx oubli ${n.verb} --knexfile ./knexfile.js --env ${n.given}`,
  },
  NO_SUCH_KNEXFILE: {
    says: (n) => `there is no file ${n.file}`,
    fix: () => '--knexfile ./knexfile.js',
  },
  KNEXFILE_LOADER: {
    says: (n) => `${n.file} is TypeScript, and nothing here reads that`,
    fix: () =>
      `npm install --save-dev tsx && export NODE_OPTIONS='--import tsx'  # or Node 22.18 and newer, or ts-node`,
  },
  KNEXFILE_ENVIRONMENT: {
    says: (n) => `${n.file} has no environment '${n.given}', and names no database by itself; it has: ${n.choices}`,
    fix: (n) => `--knexfile ${n.file} --env ${String(n.choices).split(', ')[0] || 'production'}`,
  },
  BAD_LOAD: {
    says: () => 'the load is a share of the time: above 0, and at most 1',
    fix: () => "await backfill('customers', { load: 0.5 })  // npx oubli backfill customers --load 0.5",
  },
  NOT_CONFIRMED: {
    says: (n) => `nothing was decrypted: the name of the table, ${n.table}, was not typed`,
    fix: (n) => `npx oubli unprotect ${n.table}  # and type ${n.table} when asked`,
  },
  UNKNOWN_SETTING: {
    says: (n) => `oubli(): unknown option '${n.given}'${didYouMean(n)}`,
    fix: (n) => `await oubli(knex, { ${n.suggestion ?? 'keys'}: … })`,
  },
  BAD_CHUNK_SIZE: {
    says: (n) => `insertMany(): 'chunkSize' is a number of rows from 1 on, and cannot be '${n.given}'`,
    fix: (n) => `await insertMany('${n.table}', rows, { chunkSize: 1000 })`,
  },
  UNKNOWN_INSERT_OPTION: {
    says: (n) => `insertMany(): unknown option '${n.given}'${didYouMean(n)}; it answers with the number of rows`,
    fix: (n) =>
      n.given === 'returning'
        ? `await db.batchInsert('${n.table}', rows).returning('id')`
        : `await insertMany('${n.table}', rows, { ${n.suggestion ?? 'chunkSize'}: … })`,
  },
  UNKNOWN_KIND: {
    says: (n) => `there is no kind of data subject '${n.given}'${didYouMean(n)}`,
    fix: (n) => `subject('${n.suggestion ?? 'user'}', id)`,
  },

  // --- roles -----------------------------------------------------------------------------------------------------------
  NO_ROLES: {
    says: () => 'oubli roles: no role was named',
    fix: () => 'npx oubli roles --app shop --purge reaper --export clerk --auditor auditor > roles.sql',
  },

  // --- decrypt scopes ----------------------------------------------------------------------------------------------
  SCOPE_EXCEEDED: {
    says: (n) => {
      const limit =
        n.max === undefined
          ? ''
          : ` may open ${n.max} ${n.max === 1 ? 'person' : 'people'}, has opened ${n.opened}, and`;
      const scope = n.purpose === undefined ? 'this statement, outside of a scope,' : `the scope '${n.purpose}'`;
      const foreign = n.foreign ? `, ${n.foreign} of them not of those it names` : '';
      const untold = n.untold === undefined ? '' : ` (the ledger could not be told: ${n.untold})`;
      return `${scope}${limit} met values of ${n.named}${foreign}; nothing of them was opened${untold}`;
    },
    fix: (n) =>
      n.foreign
        ? `scope({ purpose: '${n.purpose}', subjects: [subject('user', id), …] })  // with all whom the query is to show, or mend the query`
        : `scope({ purpose: '${n.purpose ?? 'why'}', max: ${Number(n.opened) + Number(n.named)} })  // if so many are meant, or mend the query`,
  },
  BAD_SCOPE: {
    says: (n) => `scope(): ${n.option} is ${n.choices}`,
    fix: () => `scope({ purpose: 'support', subjects: [subject('user', 42)], max: 1 })`,
  },
  SCOPE_UNKNOWN_OPTION: {
    says: (n) => `scope(): unknown option '${n.given}'${didYouMean(n)}`,
    fix: () => `scope({ purpose: 'support', subjects: [subject('user', 42)], max: 1 })`,
  },
  SCOPE_UNLIMITED: {
    says: () => 'scope(): with neither subjects nor max it would limit nothing',
    fix: (n) => `scope({ purpose: '${n.purpose}', max: 100 })  // or subjects: [subject('user', 42)]`,
  },
  FOREIGN_SCOPE: {
    says: (n) => `this query belongs to the scope '${n.purpose}', and the transaction does not`,
    fix: () => 'await mine.transaction(async (trx) => …)  // of the handle that scope() returned',
  },

  // --- queries -----------------------------------------------------------------------------------------------------
  OPERATOR: {
    says: (n) => `${value(n)} is sealed: '${n.operator}' cannot work over ciphertext`,
    fix: (n) =>
      `.where('${n.column ?? 'email'}', value)  // equality, on a column declared with search${/like|@@/i.test(`${n.operator}`) ? "; ilike 'abc%' and @@ on one with tokens, which show more" : ''}`,
  },
  TOKENS_MISSING: {
    says: (n) => `${place(n)} is sealed, and was declared without tokens for its ${n.kind}`,
    fix: (n) =>
      n.kind === 'words'
        ? `tokens: { …, words: true }  // ${place(n)}`
        : `tokens: { …, prefix: { min: 3, max: 8 } }  // ${place(n)}`,
  },
  TOKENS_CASE: {
    says: (n) => `${place(n)} is sealed, and its tokens tell no case apart: '${n.operator}' would find too much`,
    fix: (n) => `.whereILike('${n.column}', 'abc%')  // and compare the case of what it finds`,
  },
  TOKENS_PATTERN: {
    says: (n) =>
      `${place(n)} is sealed: only its beginning can be looked for, as a text with one % at its end and no other %, _ or \\`,
    fix: (n) => `.whereILike('${n.column}', 'abc%')`,
  },
  TOKENS_LENGTH: {
    says: (n) => `${place(n)} is found by beginnings of ${n.min} to ${n.max} characters, and by no others`,
    fix: (n) =>
      `.whereILike('${n.column}', \`\${text.slice(0, ${n.max})}%\`)  // of ${n.min} at least; look at the rest in the rows it finds`,
  },
  TOKENS_NO_WORD: {
    says: (n) => `${place(n)} is found by words, as a text with at least one of letters or digits`,
    fix: (n) => `.where('${n.column}', '@@', 'two words')  // rows with all of these words`,
  },
  TOKENS_IN_RAW: {
    says: (n) => `${place(n)} is sealed: raw SQL compares no beginnings and no words of it`,
    fix: (n) => `.whereILike('${n.column}', 'abc%'), .where('${n.column}', '@@', 'two words')  // by the builder`,
  },
  NOT_SEARCHABLE: {
    says: (n) => `${place(n)} is sealed and was declared without search`,
    fix: (n) => `.personal({ …, protect: 'encrypt', search: 'exact' })  // ${place(n)}`,
  },
  IN_TRANSITION: {
    says: (n) => `${place(n)} cannot be searched while rows of ${n.table} wait to be sealed: it would miss them`,
    fix: (n) => `await backfill('${n.table}')`,
  },
  COMPOUND_ALONE: {
    says: (n) => `${place(n)} is found by a compound index, only together with ${n.others}, and not in raw SQL`,
    fix: (n) => `.where({ ${[n.column, n.others].join(': …, ')}: … })`,
  },
  COMPOUND_TOGETHER: {
    says: (n) =>
      `${place(n)} carries an index over several columns, so they are written together${n.missing ? `; missing: ${n.missing}` : ''}`,
    fix: (n) =>
      n.columns
        ? `{ ${`${n.columns}`.split(', ').join(': …, ')}: … }`
        : `db('${n.table}').where(…).update({ … })  // all columns of the index`,
  },
  SUBQUERY_OPERAND: {
    says: (n) => `${place(n)} is sealed: it is compared with values, not with an expression or a sub-query`,
    fix: (n) => `.whereIn('${n.column}', await db('…').pluck('…'))`,
  },
  ARRAY_OPERAND: {
    says: (n) => `${place(n)} is sealed: an array is not a value for '='`,
    fix: (n) => `.whereIn('${n.column}', […])`,
  },
  COLUMN_COMPARE: {
    says: (n) =>
      `${place(n)} is sealed: it compares only with itself and with columns of its search group, which share an index key`,
    fix: (n) =>
      `.personal({ …, search: { as: 'exact', group: '${n.column}' } })  // of both, while their tables are empty; or join on a key column`,
  },
  TUPLE: {
    says: (n) => `${place(n)} is sealed and stands in a tuple`,
    fix: (n) => `.whereIn('${n.column}', […])  // one column at a time`,
  },
  JSON: {
    says: (n) => `${place(n)} is sealed: PostgreSQL cannot look into its JSON`,
    fix: (n) => `const { ${n.column} } = await db('${n.table}').first('${n.column}')  // and look into it there`,
  },
  ORDER_BY: {
    says: (n) => `${place(n)} is sealed: ordering ciphertext is no order`,
    fix: (n) =>
      `.orderByDecrypted('${n.column}', { cap: 1000 })  // of few rows: they are sorted after they are opened`,
  },
  BAD_DECRYPTED_ORDER: {
    says: (n) => `orderByDecrypted('${n.column}', …): '${n.option}' is ${n.choices}`,
    fix: () => `.orderByDecrypted('name', { cap: 1000, direction: 'asc', nulls: 'last', locale: 'en' })`,
  },
  ORDER_CAP: {
    says: (n) =>
      `${place(n)}: the query finds more than ${n.cap} rows, the most that orderByDecrypted may open and sort`,
    fix: () => '.where(…)  // fewer rows; or a higher cap, where the process has the memory',
  },
  ORDER_PLACE: {
    says: (n) => `${place(n)}: orderByDecrypted sorts the rows of a whole select, and not with ${n.where}`,
    fix: () => `db('…').where(…).orderByDecrypted('…', { cap: 1000 }).orderBy('id').limit(20)`,
  },
  ORDER_DECRYPTS_NOTHING: {
    says: (n) => `orderByDecrypted('${n.column}', …): this is no sealed column whose values have an order`,
    fix: (n) => `.orderBy('${n.column}')  // where it is not sealed; the column of a sub-select, where that is made`,
  },
  GROUP_BY: {
    says: (n) => `${place(n)} is sealed: equal values are stored differently and would not be grouped`,
    fix: () => 'group by another column, or in the application',
  },
  DISTINCT: {
    says: (n) => `${place(n)} is sealed: equal values are stored differently, so '${n.method}' would keep them all`,
    fix: (n) => `new Set(await db('${n.table}').pluck('${n.column}'))`,
  },
  AGGREGATE: {
    says: (n) => `${place(n)} is sealed: '${n.method}' cannot work over ciphertext`,
    fix: (n) => `await db('${n.table}').pluck('${n.column}')  // and compute it there`,
  },
  ANALYTIC: {
    says: (n) => `${place(n)} is sealed: a window over ciphertext means nothing`,
    fix: () => 'partition and order by another column',
  },
  SET_OPERATION: {
    says: (n) => `${place(n)} is sealed: union, intersect and except would compare ciphertext`,
    fix: () => '.unionAll(…)',
  },
  EXPRESSION: {
    says: (n) => `${place(n)} is protected: an expression is computed in PostgreSQL, which never sees the value`,
    fix: (n) => `.update({ ${n.column}: value })  // a value, computed in the application`,
  },
  INCREMENT: {
    says: (n) => `${place(n)} is sealed: PostgreSQL cannot add to it`,
    fix: (n) => `.update({ ${n.column}: value + 1 })  // inside a transaction, after reading it for update`,
  },
  INSERT_SELECT: {
    says: (n) => `${n.table} has protected columns: rows of a sub-query would not be sealed for their subjects`,
    fix: (n) => `await db('${n.table}').insert(await db('…').select(…))`,
  },
  GIVEN_UP: {
    says: () => 'this statement was given up while it was being sealed, and was not sent',
    fix: () => "await db('…').timeout(5_000, { cancel: true })  // a longer time, or the statement again",
  },
  ROWS_EMPTY: {
    says: (n) => `insertMany(): rows for ${n.table} without a single value`,
    fix: (n) => `await db.batchInsert('${n.table}', rows)  // where every column is to have its default`,
  },
  ALREADY_SEALED: {
    says: (n) => `${place(n)} was given bytes that are a sealed value already, or none of its own type`,
    fix: () => 'read the row through the protected instance, and write the value',
  },
  SUBJECT_UNPINNED: {
    says: (n) => `${n.table}: the insert gives ${n.given} for '${n.column}', so nobody knows whose key seals the row`,
    fix: (n) => `.insert({ ${n.column}: …, … })`,
  },
  IDENTITY_ALWAYS: {
    says: (n) => `${place(n)} is GENERATED ALWAYS, but the row's id must be known before it is sealed`,
    fix: (n) => `alter table ${n.table} alter column ${n.column} set generated by default`,
  },
  VIEW_UNPINNED: {
    says: (n) => `${n.table} is a view: nobody can tell whose the rows are that are written through it`,
    fix: () => `db('users').insert({ … })  // the table itself`,
  },
  UPDATE_UNPINNED: {
    says: (n) => `${n.table}: whose rows this update touches cannot be told`,
    fix: (n) => `.where({ id }).update({ ${n.column}: value })  // without updateFrom and nested updates`,
  },
  UPDATE_REPEATED: {
    says: (n) =>
      `${n.table}: this update is sent once for each person, and what its 'with' does would be done as often`,
    fix: (n) =>
      `.where({ id }).update({ ${n.column}: value })  // one person's; or what 'with' writes as its own statement`,
  },
  UPDATE_STREAMED: {
    says: (n) => `${n.table}: this update is sent once for each person, and a stream is one statement`,
    fix: (n) => `await db('${n.table}').where(…).update({ ${n.column}: value }, ['id'])  // without .stream()`,
  },
  UPDATE_TOO_MANY: {
    says: (n) =>
      `${n.table}: this update would seal anew for more than ${n.most} people, the most that are done at once`,
    fix: () => 'update them in portions',
  },
  NOBODYS_ROW: {
    says: (n) => `${n.table}: the update touches rows whose ${n.column} is NULL, so nobody knows whose key seals them`,
    fix: (n) => `.whereNotNull('${n.column}')  // and give the other rows their person first`,
  },
  NOBODYS_PARENT: {
    says: (n) =>
      `the row of ${n.table} that '${n.via}' refers to has NULL in ${n.column}, so nobody knows whose key seals what is below it`,
    fix: (n) => `await db('${n.table}').where({ … }).update({ ${n.column}: … })  // first say whose row it is`,
  },
  MERGE_MANY: {
    says: (n) => `${n.table}: merge with values for ${n.column} speaks of one row, but several are inserted`,
    fix: () => ".merge()  // or .merge(['column', …]), which take each row's own values",
  },
  MERGE_TARGET: {
    says: (n) => `${n.table}: with this conflict target nobody knows whose row a merge would update`,
    fix: (n) => `.onConflict('${n.column}').merge()  // columns, by which the existing row can be found`,
  },
  SUBJECT_MOVED: {
    says: (n) => `${place(n)} leads to the person whose key seals the row; it cannot be changed to another's`,
    fix: () => 'insert a new row for the other person, and delete this one',
  },
  OTHER_SUBJECT: {
    says: (n) =>
      `${n.table}: a value was sealed for another person than the one its row would belong to; nothing was written`,
    fix: (n) =>
      `insert the rows of ${n.table} anew for the other person, and delete the old ones  // or retry, if none was to change hands`,
  },
  UNGUARDED: {
    says: (n) =>
      `${n.table} has sealed columns and no guard: what is searched for could be stored there as if it were sealed`,
    fix: (n) =>
      `select oubli.refresh_guard('${n.table}');  -- in a migration, after the partition or the copy was made`,
  },
  GUARD_OUTDATED: {
    says: (n) =>
      `the guard of a personal table looks for ${n.given}, which was renamed or dropped past oubli; nothing was written`,
    fix: () => 'select oubli.refresh_guards();  -- in psql, or in the migration that did it',
  },
  PARENT_MISSING: {
    says: (n) => `${n.table} has no row that '${n.column}' refers to, so nobody knows whose the new row is`,
    fix: (n) => `insert the row of ${n.table} first`,
  },
  RAW_UNPINNED: {
    says: (n) =>
      `${place(n)} is sealed: raw SQL does not say under whose key to seal${n.parameter ? ` parameter ${n.parameter}` : ' a parameter'}`,
    fix: () => "db.raw('…', [subject('user', id).value(value)])  // or db('…').insert(…)",
  },
  PINNED_ELSEWHERE: {
    says: (n) => `parameter ${n.parameter} was given as somebody's value, but does not belong to a sealed column`,
    fix: () => 'pass the plain value',
  },
  OPERATOR_UNREACHABLE: {
    says: (n) =>
      `${place(n)} is compared in a session whose search_path lacks '${n.schema}', where its own = and <> stand: the base type's would match nothing`,
    fix: (n) => `set search_path to "$user", public, ${n.schema}`,
  },
  SEALED_IN_TEXT: {
    says: (n) =>
      `${place(n)} stands sealed inside a longer text (a whole row, string_agg, ||, format, encode): there it cannot be opened`,
    fix: (n) => `select ${n.column} as a column of its own, or in an array or JSON of whole values`,
  },
  PLACEHOLDER_SENT: {
    says: (n) => `${n.label} is a placeholder: the value was about to be sent by a client that does not know it`,
    fix: () =>
      'const { sql, bindings } = query.toSQL(); await db.raw(sql, bindings)  // db being the protected instance',
  },
  PLACEHOLDER_AS_VALUE: {
    says: (n) =>
      `${n.label} was given a placeholder as its value: one of subject().value(), or among the bindings of toSQL()`,
    fix: (n) => `{ ${field(n)}: value }  // the plain value; subject(…).value(value) is for db.raw()`,
  },
  PRINTED_SQL: {
    says: () =>
      `this SQL was printed: placeholders stand in it where personal values were, and would be taken for them`,
    fix: () => 'const { sql, bindings } = query.toSQL(); await db.raw(sql, bindings)',
  },
  VALUE_FOR_BYTEA: {
    says: (n) =>
      `parameter ${n.parameter} is ${n.given}, which PostgreSQL takes for bare bytes here: compared with ciphertext, it matches nothing`,
    fix: () => 'compare with = or = any(?); where bytes are meant, pass a Buffer',
  },
  AMBIGUOUS_TABLE: {
    says: (n) => `several schemas hold a table '${n.table}', and it is protected`,
    fix: (n) => `db('${n.table}').withSchema('${n.schema}')`,
  },
  FOREIGN_TRX: {
    says: () => 'this transaction belongs to an unprotected Knex instance: it would store plaintext',
    fix: () => 'db.transaction(async (trx) => …)',
  },
  NO_TRX: {
    says: () => 'trx is no transaction: each statement would be by itself, and what was locked free again at once',
    fix: () => 'await db.transaction(async (trx) => …)  // or leave trx out',
  },
  PSEUDONYM_NEEDS_TEXT: {
    says: (n) => `${place(n)} is pseudonymised: only text can be`,
    fix: (n) => `.insert({ ${n.column}: String(value) })`,
  },

  // --- facts about stored values -----------------------------------------------------------------------------------
  NOT_SEALED: {
    says: (n) => `${place(n)} holds a value that was never sealed`,
    fix: () => 'find who wrote it: the domain of the column should have refused it',
  },
  REFUSED_BY_DOMAIN: {
    says: (n) =>
      `${place(n)}: PostgreSQL refused a value that is not sealed, or not for this column; nothing was written`,
    fix: (n) =>
      `db('${n.table}').insert(…)  // through the protected instance; once more, if a migration ran just now${n.tokens ? `; to search, .whereILike('${n.column}', 'abc%')` : ''}`,
  },
  SUBJECT_ERASED: {
    says: (n) => (n.kind ? `this ${n.kind} was erased` : `a value for ${n.table} belongs to somebody who was erased`),
    fix: (n) =>
      `await subject(${n.kind ? `'${n.kind}'` : 'kind'}, id).allowNewLifecycle({ because: 'signed up again on 3 March' })  // if she came back; else stop writing about her`,
  },

  // --- life cycle --------------------------------------------------------------------------------------------------
  SUBJECT_UNKNOWN: {
    says: (n) => `there is no ${n.kind} with this ${n.column}`,
    fix: (n) => `subject('${n.kind}', id)  // the value of ${n.table}.${n.column}`,
  },
  SUBJECT_LOCKED: {
    says: (n) => `the row of this ${n.kind} is locked by another transaction`,
    fix: () => 'retry later',
  },
  NOT_ERASED: {
    says: (n) => `nothing keeps this ${n.kind} out: she was not erased, or was let in again already`,
    fix: (n) => `await db('${n.table}').insert({ … })  // as of anybody else`,
  },
  ALREADY_ERASED: {
    says: (n) => `this ${n.kind} was erased already`,
    fix: () => 'nothing: the erasure is final',
  },
  PLAN_BLOCKED: {
    says: (n) => `the erasure of a ${n.kind} is blocked: ${n.reasons}`,
    fix: (n) =>
      `declare it: t.personalData({ …, onErase: 'delete' }) or .personal()/.notPersonal()  // ${n.tables ?? n.table}`,
  },
  TRIGGER_WROTE: {
    says: (n) =>
      `the erasure of a ${n.kind} is blocked: a trigger wrote to ${n.table} while her rows left, and nobody declared whose rows it holds`,
    fix: (n) =>
      `await annotate(knex, '${n.table}', { data: { …, references: [{ columns: ['…'], to: '${n.root}' }] }, columns: { … } })  // or every column notPersonal`,
  },
  TRIGGER_KEPT: {
    says: (n) =>
      `the erasure of a ${n.kind} is blocked: a trigger keeps in ${n.table} ${n.what}, and the receipt would say that it is gone`,
    fix: (n) =>
      `if current_setting('application_name') = 'oubli sweep' then return coalesce(new, old); end if;  -- first in the function of ${n.triggers}`,
  },
  TRIGGER_PLACED: {
    says: (n) =>
      `nothing left: ${n.trigger} was placed on ${n.table} after the schema had been read, and may keep rows`,
    fix: () => 'run it again: the schema is read anew',
  },
  SWEEPS_FAILED: {
    says: (n) => `${n.failed} failed, and ${n.ended} sweeps came to their end: ${n.reasons}`,
    fix: (n) => `${n.fix ?? `await sweep({ rule: '${n.rule ?? '…'}' })  // when its cause is mended`}`,
  },
  CALLBACK_FAILED: {
    says: (n) => `${n.option} threw when it was told of ${n.rule}; the sweep went on`,
    fix: (n) => `${n.option}: (told) => { try { … } catch (error) { … } }`,
  },
  PARTITION_STRANDED: {
    says: (n) =>
      `${n.table} was detached to be dropped, its rule is gone, and it cannot be attached again: neither queries nor erasures find its rows`,
    fix: (n) =>
      n.parent === undefined
        ? `drop table ${n.table};  -- or keep what is in it elsewhere first`
        : `alter table ${n.parent} attach partition ${n.table} ${n.bound};  -- once nothing else stands there; or drop table ${n.table};`,
  },
  TRACK_COUNTS_OFF: {
    says: () =>
      'a trigger may write to other tables while rows leave, and with track_counts off PostgreSQL does not say to which: nothing was touched',
    fix: () => 'alter system set track_counts = on; select pg_reload_conf();  -- autovacuum needs it, too',
  },
  INDEX_MISSING: {
    says: (n) =>
      `the erasure of a ${n.kind} would read whole tables for each row that leaves: no index finds the rows of ${n.references}`,
    fix: (n) => `${n.statements}`,
  },
  NO_BECAUSE: {
    says: (n) => `${n.call ?? 'an erasure'} needs a reason that can be read later`,
    fix: (n) =>
      n.call ? `{ because: 'say why' }  // ${n.call}` : "erase({ because: 'request of 3 March, identity checked' })",
  },
  NOTHING_PORTABLE: {
    says: (n) => `export(): unknown profile '${n.given}'${didYouMean(n)}`,
    fix: () => "export({ profile: 'portability' })",
  },
  NO_BOSS: {
    says: () => 'startJobs() needs a started pg-boss instance, version 12 or later',
    fix: () => 'const boss = new PgBoss(url); await boss.start(); await startJobs(boss)',
  },

  // --- references ---------------------------------------------------------------------------------------------------

  // --- rules --------------------------------------------------------------------------------------------------------
  BAD_LATEST_OF: {
    says: (n) => `${place(n)}: 'retention.from.latestOf' names two columns or more, each of them once`,
    fix: corrected,
  },
  BAD_FIRST_DAY: {
    says: (n) =>
      `${place(n)}: '${n.given}' is no day of every year, written as month and day: '04-01' is the first of April`,
    fix: corrected,
  },
  NOTICES_OF_ROWS: {
    says: (n) => `${place(n)}: notices go to people; these rows have a person, who is told of her own end`,
    fix: corrected,
  },
  BAD_NOTICES: {
    says: (n) => `${place(n)}: 'retention.notices.before' lists periods before the due date, each of them once`,
    fix: corrected,
  },
  MIXED_ANCHORS: {
    says: (n) =>
      `${n.table}: retention starts from the latest of '${n.columns}', which are of several types; the latest of them is found by an index over one`,
    fix: (n) => `alter table ${n.table} alter column "${n.column}" type ${n.type}  -- or another column in latestOf`,
  },
  PARENT_NOT_FORGOTTEN: {
    says: (n) =>
      `${place(n)}: retention starts with the deletion of what it refers to, which it does not outlive: it has no foreign key with ON DELETE SET NULL`,
    fix: (n) => `t.foreign('${n.column}').references('…').onDelete('SET NULL')  // in ${n.table}`,
  },
  PARENT_NEEDS_KEY: {
    says: (n) =>
      `${n.table}: retention starts with the deletion of what ${n.column} refers to, and without a primary key nothing names the rows that stay`,
    fix: (n) => `t.increments('id')  // in ${n.table}`,
  },
  NO_CLOCK: {
    says: (n) =>
      `${n.call}(): no rule of a ${n.kind} starts from ${n.anchor}${n.suggestion ? `; there is '${n.suggestion}'` : ''}`,
    fix: (n) => `${n.fix}`,
  },
  ACTIVE_LATER: {
    says: () => 'active(): the day is still to come, and nobody was active on it',
    fix: (n) => `await subject('${n.kind}', id).active()  // today, by the database's clock`,
  },
  NO_RETURN: {
    says: (n) => `reactivated(): the clock of a ${n.kind} starts from ${n.anchor}, which a return does not change`,
    fix: (n) => `${n.fix}`,
  },
  NO_ON_NOTICE: {
    says: (n) => `the rule ${n.rule} asks for notices, and nothing says how to send them: nobody would ever leave`,
    fix: (n) => `await ${n.call ?? 'sweep'}({ onNotice: async ({ kind, id, notice, purge }) => { … } })`,
  },
  NOTICE_FAILED: {
    says: (n) =>
      `${n.count} notices of ${n.rule} were not sent (onNotice threw ${n.failure}); nobody leaves without hers`,
    fix: () => 'mend onNotice; the next sweep sends them again',
  },
  BAD_DAY: {
    says: (n) => `'${n.given}' is no day of the calendar`,
    fix: () => `due({ before: '2027-01-01' })`,
  },
  PROPOSED_WITHOUT_RULE: {
    says: () => 'a proposed rule stands in the place of another one, and nothing says of which',
    fix: (n) => `due({ before: '2027-01-01', rule: '${n.rule}', proposed: { keep: '3 months' } })`,
  },
  PROPOSED_UNRECORDED: {
    says: (n) =>
      `${n.rule}: nobody has recorded ${n.anchor} so far, for no declared rule starts there; what would be due is not known`,
    fix: () =>
      `declare the rule first, with a long 'keep': what happens from then on is recorded, and nothing leaves yet`,
  },
  BAD_PROPOSED: {
    says: (n) =>
      `${n.file} ${n.what}: a proposed rule is an object such as { "from": "service_ended_on", "keep": "3 months" }`,
    fix: () => `npx oubli due --before 2027-01-01 --rule subject:user --keep '3 months'`,
  },
  PROPOSED_UNINDEXED: {
    says: (n) => `${n.rule}: no index finds what would be due from ${n.column}; every row of ${n.table} would be read`,
    fix: (n) => `${n.create}  -- or due({ …, scan: true }), npx oubli due --scan`,
  },

  // --- holds and restrictions ---------------------------------------------------------------------------------------
  HELD: {
    says: (n) => `this ${n.kind} is held by the ${heldBy(n)}: nothing was touched, and the request is written down`,
    fix: (n) => `${released(n)}  // the request is carried out then`,
  },
  REQUEST_WAITS: {
    says: (n) => `this ${n.kind} asked to be erased, and the request waits: to come back does not withdraw it`,
    fix: (n) => `await subject('${n.kind}', id).reactivated({ withdraws: 'she took it back: letter of …' })`,
  },
  ROW_HELD: {
    says: (n) => `a row of ${n.table} is held by the ${heldBy(n)}`,
    fix: (n) => released(n),
  },
  HOLD_UNKNOWN: {
    says: (n) => `there is no open case '${n.given}'${didYouMean(n)}`,
    fix: (n) => `await holds.open({ name: '${n.suggestion ?? n.given}', ground: 'GDPR Art. 17(3)(e): lawsuit' })`,
  },
  HOLD_OPEN: {
    says: (n) => `the case '${n.case}' is open already`,
    fix: (n) => `await holds.place('${n.case}', subject('user', id))`,
  },
  HOLD_LAPSED: {
    says: (n) => `the last day of the case '${n.case}' is over: it holds nothing any more`,
    fix: (n) => `await holds.release('${n.case}', { because: 'over' })  // and open it again, with another last day`,
  },
  BAD_HOLD: {
    says: (n) => `a hold cannot do with this '${n.option}'${n.key === undefined ? '' : ` of ${n.table}`}`,
    fix: (n) =>
      n.option === 'rows'
        ? `await holds.place('case 2026-17', { table: '${n.table}', rows: [${rowNamed(n)}] })`
        : "await holds.open({ name: 'case 2026-17', ground: 'GDPR Art. 17(3)(e): lawsuit', until: '2028-12-31' })",
  },
  HOLD_ROWS_GONE: {
    says: (n) => `${n.count} of these rows of ${n.table} are not there, or not any more: none was held`,
    fix: () => 'hold those that are there; what was erased is final',
  },
  HOLD_WITHOUT_KEY: {
    says: (n) => `the rows of ${n.table} have no primary key to be held by`,
    fix: (n) => `alter table ${n.table} add primary key (…)  -- or hold the person whose rows they are`,
  },
  HOLD_NOTHING_ARCHIVED: {
    says: (n) => `nothing of hers is in an archive, or not any more, so the case ${n.case} holds nothing of it`,
    fix: () => 'npx oubli archive list  # what is there; whoever was not erased is held as a person: --subject kind:id',
  },
  HOLD_BUSY: {
    says: (n) => `another transaction works on ${n.table} for too long: nothing was held`,
    fix: () => 'retry later',
  },
  HOLD_NO_BECAUSE: {
    says: (n) => `${n.call} needs a reason that can be read later`,
    fix: (n) => `{ because: 'judgment of 3 March' }  // ${n.call}`,
  },

  RESTRICTED: {
    says: (n) => `the processing of somebody's data is restricted: ${value(n)} is stored, and not read`,
    fix: (n) =>
      `.whereRaw("not oubli.is_restricted('user', ${n.table ?? 'users'}.id::text)")  // or lift the restriction first`,
  },
  RESTRICTED_WRITE: {
    says: (n) =>
      `the processing of somebody's data is restricted: rows of ${n.table} about her are neither added nor changed`,
    fix: () => "await subject('user', id).liftRestriction({ because: 'say why', inform: () => tell(her) })",
  },
  BAD_GROUND: {
    says: (n) => `restrict(): there is no ground '${n.given}'${didYouMean(n)}`,
    fix: () =>
      "restrict({ because: 'says her address is wrong', ground: 'accuracy' })  // 'unlawful', 'claims', 'objection'",
  },
  RESTRICTED_ALREADY: {
    says: (n) => `the processing of this ${n.kind} is restricted already`,
    fix: (n) =>
      `await subject('${n.kind}', id).liftRestriction({ because: 'another ground', inform: () => tell(her) })`,
  },
  NOT_RESTRICTED: {
    says: (n) => `the processing of this ${n.kind} is not restricted`,
    fix: () => 'nothing: it goes on as before',
  },
  NOT_INFORMED: {
    says: () => 'before a restriction is lifted she is told (GDPR Art. 18(3)): liftRestriction() needs to know how',
    fix: () => "liftRestriction({ because: 'her address was corrected', inform: () => tell(her) })",
  },

  // --- ledger, journal, restore -------------------------------------------------------------------------------------
  LEDGER_HEAD_MISSING: {
    says: () => "the end of the ledger's chain is gone: somebody deleted the row of oubli.ledger_head",
    fix: () => 'npx oubli ledger verify',
  },

  RESTORE_REPLAY_REQUIRED: {
    says: (n) =>
      n.begun
        ? `this database was restored, and the replay that was begun at position ${n.position} of its ledger has not come to its end; nothing is read or written before whoever was erased since is erased again`
        : `this database does not know position ${n.position} of the ledger, which the journal knows: it was restored, or its ledger rewritten; nothing is read or written before whoever was erased since is erased again`,
    fix: (n) => `npx oubli replay --journal ${n.journal}`,
  },
  REPLAY_HOLDS_LOST: {
    says: (n) =>
      `${n.holds} holds and ${n.restrictions} restrictions were placed after the backup and stand still: this database does not know them, and whom they protect could leave. They concern ${n.keys || 'single rows'} (key ids)`,
    fix: (n) =>
      `export OUBLI_JOURNAL=${n.journal}; npx oubli hold open 'its name' --ground 'as it was' && npx oubli hold place 'its name' --subject user:42 && npx oubli replay --journal ${n.journal}  // select kind, subject_id from oubli.subject_link where key_id = '\\x…' tells who; duringReplay() restricts people again; to give them up: npx oubli replay --journal ${n.journal} --without-holds 'say why'`,
  },
  REPLAY_INCOMPLETE: {
    says: (n) =>
      `${n.count} keys or people that the journal names as erased live after the replay: ${n.heldBy ? `'${n.heldBy}' holds them in this database` : 'somebody writes to it'}`,
    fix: replayFix,
  },
  NOT_AN_EXPORT: {
    says: (n) => `${n.file} is no export of a ledger`,
    fix: () => 'npx oubli ledger export --out ledger.ndjson',
  },
  LEDGER_EXPORT_WITHOUT: {
    says: (n) =>
      `'oubli ledger verify' takes --public-key with --export only, and it is 64 digits of hex, not '${n.given}'`,
    fix: () =>
      'npx oubli ledger verify --export ledger.ndjson --journal oubli.journal --public-key $(npx oubli ledger public-key)',
  },
  JOURNAL_NOT_WRITTEN: {
    says: (n) =>
      `the journal ${n.journal} could not be written${n.why ? ` (${n.why})` : ''}; what was done in the database is done, do not repeat it`,
    fix: () => 'mend it: what is missing is appended with the next entry, sweep or start',
  },
  JOURNAL_SILENT: {
    says: (n) => `the journal ${n.journal} did not answer within ${n.seconds} seconds`,
    fix: () => 'mend where it is kept, or give it more time: { ...journal, seconds: 60 }',
  },
  JOURNAL_NOT_GIVEN: {
    says: (n) =>
      `this database is told to the journal ${n.journal}, which this process was not given: whom it erased would be missing there, and a restore not be noticed`,
    fix: (n) =>
      `oubli(knex, { keys, journal: fileJournal({ file: '${n.journal}' }) })  // and of every command: --journal ${n.journal}, or OUBLI_JOURNAL`,
  },
  REQUEST_NOT_TOLD: {
    says: (n) =>
      `the journal ${n.journal} could not be written: the request is in the ledger, and nobody was erased; requests({ open: true }) lists it`,
    fix: () => "mend the journal, then again: await subject('user', 42).erase({ because: '…' })",
  },
  JOURNAL_FOREIGN: {
    says: (n) => `the journal ${n.journal} holds a line that this installation did not write`,
    fix: (n) => `npx oubli ledger verify --journal ${n.journal}  // or name the journal that belongs to these keys`,
  },
  JOURNAL_DAMAGED: {
    says: (n) =>
      n.position === undefined
        ? `the journal ${n.journal} holds a line that was damaged: whom it named is not known`
        : `the journal ${n.journal} lacks position ${n.position} of the ledger: a line was damaged or taken away, and whom it named is not known`,
    fix: (n) =>
      `npx oubli ledger verify --journal ${n.journal}  // says which; put back the journal from its own backup. Only where there is none, and this database was not restored: mv ${n.journal} ${n.journal}.damaged && npx oubli ledger new-journal --journal ${n.journal} --because 'say why'`,
  },
  JOURNAL_LOST: {
    says: (n) =>
      `the journal ${n.journal} ends at position ${n.known}, and had been told ${n.position}: it was cut, or is another one`,
    fix: (n) =>
      `put back the journal that belongs to this database at ${n.journal}, from its own backup; only if it is lost for good: npx oubli ledger new-journal --journal ${n.journal} --because 'say why'`,
  },
  JOURNAL_REPLACED: {
    says: (n) =>
      `this process tells the journal ${n.journal}, in whose place another was begun, ${n.other}: what it wrote would be missing there. Nothing more is written; what was done is told there by others`,
    fix: (n) => `oubli(knex, { keys, journal: fileJournal({ file: '${n.other}' }) })  // start this process anew`,
  },
  JOURNAL_KNOWS_MORE: {
    says: (n) =>
      `the journal ${n.journal} knows ${n.count} entries that this database does not: it was restored, and a new journal would forget whom to erase again`,
    fix: (n) => `npx oubli replay --journal ${n.journal}`,
  },
  JOURNAL_COMPLETE: {
    says: (n) => `the journal ${n.journal} has all that it was told: none is to be begun`,
    fix: (n) => `npx oubli ledger verify --journal ${n.journal}`,
  },
  JOURNAL_WITHOUT_BECAUSE: {
    says: () => 'a journal that is begun anew forgets what only the old one knew: the ledger needs to know why',
    fix: () =>
      "newJournal(knex, { keys, journal }, { because: 'the disk of the old one is broken, it had no backup' })",
  },
  NO_JOURNAL: {
    says: (n) => `${n.call} needs the journal, which is kept outside the database`,
    fix: (n) => `npx oubli ${n.verb ?? 'replay'} --journal /var/lib/app/oubli.journal`,
  },

  // --- restore drill ------------------------------------------------------------------------------------------------
  DUMP_TOOL_MISSING: {
    says: (n) =>
      `${n.tool} cannot be run${n.why ? ` (${n.why})` : ', or is none of PostgreSQL'}; a drill needs it in version ${n.needed} or newer`,
    fix: (n) => `npx oubli drill … ${n.option} ${toolOf(n)}`,
  },
  DUMP_TOOL_OLD: {
    says: (n) => `${n.tool} is of version ${n.major}, and version ${n.needed} is needed here`,
    fix: (n) => `npx oubli drill … ${n.option} ${toolOf(n)}`,
  },
  SCRATCH_NOT_EMPTY: {
    says: (n) =>
      `the database ${n.database} is not empty (${n.count} objects): a drill restores into one that nobody uses, and drops all that is in it afterwards`,
    fix: () => 'createdb --template=template0 oubli_drill  # and name that one: --into postgres://…/oubli_drill',
  },
  SCRATCH_NOT_CLEARED: {
    says: (n) =>
      `${n.count} objects of the drill are still in the database ${n.database}, which holds a copy of everybody`,
    fix: (n) => `dropdb --force '${n.database}'`,
  },
  COPY_FAILED: {
    says: (n) =>
      `${n.tool} failed (${n.why})${n.place ? ` at ${n.place}` : ''}; what it said is not repeated here, it may quote rows`,
    fix: () =>
      'pg_dump --format=custom "$DATABASE_URL" | pg_restore --exit-on-error --no-owner --dbname="$SCRATCH_URL"',
  },

  // --- archive ------------------------------------------------------------------------------------------------------
  ARCHIVE_HALF_PERSON: {
    says: (n) => `oubli archive read: '${n.given}' alone names nobody, and everybody's rows would be read`,
    fix: (n) => `npx oubli archive read ${n.table} --kind user --id 42 --because '…'`,
  },
  ARCHIVE_OF_PEOPLE: {
    says: (n) =>
      `${place(n)}: an archive holds rows that the law has kept, and no people; declare it on the table of those rows`,
    fix: corrected,
  },
  ARCHIVE_OF_NOTHING: {
    says: (n) =>
      `${place(n)}: an erasure takes these rows away, so none would ever be archived; what is archived is first of all kept`,
    fix: corrected,
  },
  ARCHIVE_ENDS_IN_DELETE: {
    says: (n) => `${place(n)}: rows leave an archive by being deleted, not by '${n.given}'`,
    fix: corrected,
  },
  ARCHIVE_TOO_SHORT: {
    says: (n) =>
      `${place(n)}: both periods start on the same day, and ${n.given} in all are over when ${n.before} are; nothing would be archived`,
    fix: corrected,
  },
  ARCHIVE_WITHOUT_COLUMNS: {
    says: (n) =>
      `${place(n)}: an archive holds what the legal ground names, so name the columns; true means the whole row`,
    fix: corrected,
  },
  ARCHIVE_BESIDE: {
    says: (n) =>
      `${place(n)}: an archive in the schema ${n.schema} is no separate storage (CNIL: never a mere flag in the active base)`,
    fix: (n) => (n.corrected === undefined ? "archive: { schema: 'oubli_archive', … }" : corrected(n)),
  },
  ARCHIVE_OF_SEVERAL: {
    says: (n) =>
      `${place(n)}: its rows are several people's, and stay as long as one of them; there is no archive of them`,
    fix: () => "retention: { from: 'issued_on', keep: '10 years', then: 'delete', because: '…' }  // without archive",
  },
  ARCHIVE_OWNER: {
    says: (n) =>
      `the archive must belong to a role that the application is not; ${n.user} may not make ${n.role}, or hand tables over to it`,
    fix: (n) => `create role ${n.role} nologin; grant ${n.role} to ${n.user};  -- as a superuser, then this again`,
  },
  ARCHIVE_OWNED: {
    says: (n) => `the schema ${n.schema} cannot be made an archive of ${n.role}: it is there, and is something else`,
    fix: () => "archive: { schema: 'another_archive', … }",
  },
  ARCHIVE_CLOSED: {
    says: (n) =>
      `${n.schema} is an intermediate archive: it is read with a reason, which is written down, and not by queries`,
    fix: (n) => `for await (const row of archive.read({ table: '${n.source ?? 'invoices'}', because: '…' }))`,
  },
  ARCHIVE_REASON: {
    says: () => 'reading an archive needs a reason, which is written down before the first row is given',
    fix: () => "archive.read({ table: 'invoices', because: 'tax audit 2031, letter of 3 March' })",
  },
  ARCHIVE_UNKNOWN_TABLE: {
    says: (n) => `archive.read(): no archive has, or takes, rows of ${n.given}${didYouMean(n)}`,
    fix: (n) => `archive.read({ table: '${n.suggestion ?? 'invoices'}', because: '…' })`,
  },
  ARCHIVE_UNKNOWN_OPTION: {
    says: (n) => `${n.call}: unknown option '${n.given}'${didYouMean(n)}`,
    fix: (n) => `${n.call} takes ${n.choices}`,
  },
  ARCHIVE_UNREADABLE: {
    says: (n) => `the role ${n.role} may not read the archive ${n.schema}`,
    fix: (n) =>
      `oubli(knex, { archive: { role: 'auditor' } })  // grant usage on schema ${n.schema} to auditor; grant select on ${n.schema}.archived_row to auditor; grant auditor to ${n.role}`,
  },
  ARCHIVE_ELSEWHERE: {
    says: () => 'rows go to an archive in another database, and this process was not told which',
    fix: () => 'oubli(knex, { keys, archive: { knex: knexOfTheArchive } })',
  },
  ARCHIVE_NOT_INSTALLED: {
    says: (n) => `there is no archive ${n.schema} in the other database`,
    fix: (n) => `await installArchive(knexOfTheArchive, { schema: '${n.schema}' })  // in a migration there`,
  },
  ARCHIVE_BUSY: {
    says: (n) =>
      `somebody in the other database has the archive ${n.schema} for too long: nothing was moved or destroyed there`,
    fix: () => 'select * from pg_stat_activity  -- there: who has it; the next sweep tries again',
  },
  ARCHIVE_NOT_EMPTY: {
    says: (n) => `rows that the law has kept are still in ${n.where}, and their keys would go with the schema oubli`,
    fix: () => 'npx oubli archive list  # says until when; then uninstall',
  },

  // --- plans and sweeps ---------------------------------------------------------------------------------------------
  ROW_SECURITY: {
    says: (n) =>
      `row security may hide rows of ${n.table ?? 'a table'} from this role: what is hidden would neither leave nor be counted`,
    fix: () => 'alter role purge bypassrls  -- the role that runs sweeps, erasures and exports',
  },
  UNKNOWN_RULE: {
    says: (n) =>
      `there is no rule '${n.given}'${didYouMean(n) || `; the rules are ${n.choices || 'none: nothing has a retention'}`}`,
    fix: (n) => `await sweep({ rule: '${n.suggestion ?? 'subject:user'}' })  // or npx oubli plan --rule …`,
  },
  PLAN_DRIFT: {
    says: (n) => `the plan is not what would be done now, and nothing was touched: ${n.differences}`,
    fix: () => 'npx oubli plan --out plan.json  // look at it, and apply that one',
  },
  BAD_PLAN_FILE: {
    says: (n) => `this is no plan that this version can read (format '${n.given}')`,
    fix: () => 'npx oubli plan --out plan.json && npx oubli apply plan.json',
  },
  PLAN_OF_NOBODY: {
    says: (n) => `the plan is for one ${n.kind}, and nothing here leads to who that is`,
    fix: (n) => `npx oubli apply plan.json --subject ${n.kind}:42 --because 'say why'  // as it was planned`,
  },
  TWO_TARGETS: {
    says: () => 'a plan is for the rules, for one of them, or for one person',
    fix: () => 'npx oubli plan --rule subject:user --out plan.json  // or --subject user:42',
  },
  BAD_SUBJECT_NAME: {
    says: () => 'a person is named by her kind, a colon and the value of her subject column',
    fix: (n) => `npx oubli ${n.verb} --subject user:42`,
  },
  BAD_WORKERS: {
    says: (n) => `a rule has a whole number of workers, not '${n.given}'`,
    fix: () => 'await startJobs(boss, { workers: 2 })  // and as many processes that call it',
  },
  NO_OPENTELEMETRY: {
    says: () => 'observeMetrics() was given no meter, and there is no @opentelemetry/api to ask for one',
    fix: () => 'npm install @opentelemetry/api  // or pass a meter: observeMetrics(meter)',
  },
  BAD_BREAKER: {
    says: (n) =>
      n.option === 'share'
        ? `a breaker lets a share of 0 to 1 pass, not '${n.given}'`
        : `the floor of a breaker is a whole number of people or rows, not '${n.given}'`,
    fix: () => 'await sweep({ breaker: { people: 0.05, rows: 0.2, floor: 10 } })',
  },
  BAD_PACE: {
    says: (n) => `'pace' has no '${n.option}' of '${n.given}'`,
    fix: () => 'pace: { target: 100, rest: 1, replicaLag: 10, oldTransaction: 300, lockWaits: 5, patience: 600 }',
  },
  BREAKER: {
    says: (n) =>
      `${n.rule}: more than ${n.allowed} ${n.what} are due at once, of some ${n.total}: one run may touch ${n.percent} %; nothing was touched`,
    fix: (n) =>
      `npx oubli plan --rule ${n.rule} --out plan.json  // look at it; if it is right: npx oubli apply plan.json`,
  },

  // --- certificates -------------------------------------------------------------------------------------------------
  HASH_IS_PSEUDONYM: {
    says: (n) =>
      `${place(n)}: a hash is a pseudonym and anonymises nothing: whoever has a list of candidates computes it again (all French mobile numbers take 14 minutes), so it is still personal data (GDPR recital 26)`,
    fix: (n) => `${n.corrected}, or without 'anonymise': then nothing of the value stays`,
  },
  REPLACED_TWICE: {
    says: (n) => `${place(n)}: 'replaceWith' and 'anonymise' each say what an anonymised row holds here`,
    fix: corrected,
  },
  STRATEGY_TYPE: {
    says: (n) => `${place(n)}: anonymise: { ${n.option}: … } makes ${n.wanted}, and the type is ${n.type}`,
    fix: (n) => `.personal({ …, protect: 'clear' })  // ${place(n)}: without 'anonymise', or with one for ${n.type}`,
  },
  REPLACEMENT_REFUSED: {
    says: (n) =>
      `${n.table}: PostgreSQL refused what an anonymised row would hold${n.constraint ? ` (${n.constraint})` : ''}; nothing was touched`,
    fix: (n) =>
      `.personal({ …, protect: 'clear', because: '…', replaceWith: … })  // ${n.table}: a value that its constraints allow`,
  },
  RESIDUE_FOUND: {
    says: (n) =>
      `what this ${n.kind} is known by also stands where the plan takes nothing: rows ${n.places}; nothing was touched`,
    fix: (n) =>
      `declare ${n.table}.${n.column} .personal(), or look and go on: erase({ because, probe: { hits: 'report' } })`,
  },
  BAD_THRESHOLD: {
    says: (n) =>
      `oubli(): 'anonymity' has k and l, whole numbers from 1 on; '${n.given}' is none of them, or has no such value`,
    fix: () => 'await oubli(knex, { keys, anonymity: { k: 5, l: 2 } })',
  },
  BAD_BACKUP: {
    says: (n) =>
      `oubli(): 'backups' are named, and kept for a period of whole days, weeks, months or years; not '${n.given}'`,
    fix: () => `await oubli(knex, { keys, backups: [{ name: 'nightly', keep: '35 days' }] })`,
  },
  NO_SUCH_ENTRY: {
    says: (n) => `there is no receipt of an erasure under '${n.given}'`,
    fix: () => `await certificate(receipt.entry)  // or receipt.keyId; await receipts() lists them`,
  },
  BAD_CERTIFICATE: {
    says: (n) => `${n.file}: this is no certificate of oubli`,
    fix: () => 'npx oubli certificate 17 --out certificate.json',
  },
  BAD_PUBLIC_KEY: {
    says: () => 'a public key is 32 bytes, as 64 hexadecimal digits',
    fix: () => 'npx oubli certificate verify certificate.json --public-key <the key as the installation published it>',
  },
  CERTIFICATE_FALSE: {
    says: (n) => `${n.file} was not signed with this key, or was changed since`,
    fix: () =>
      'ask the installation for its public key on another way than the file itself, and for the certificate again',
  },
  FAKER_MISSING: {
    says: (n) => `${n.table}.${n.column} is declared with a fake, and @faker-js/faker is not installed`,
    fix: () => `npm install @faker-js/faker  // or await oubli(knex, { keys, faker })`,
  },

  // --- rows of several people ---------------------------------------------------------------------------------------
  COLUMN_SUBJECT_PLACE: {
    says: (n) =>
      `${place(n)} names its own subject; it can where the table is declared as one with data about somebody, and its rows are no people themselves`,
    fix: (n) => `t.personalData({ … })  // in ${n.table}; or ${n.column} in a table of its own, beside ${n.via}`,
  },
  COLUMN_SUBJECT_NOWHERE: {
    says: (n) =>
      `${place(n)}: no foreign key over ${n.via} leads to ${n.kind ? `people of kind '${n.kind}'` : 'data subjects'}${didYouMean(n)}`,
    fix: (n) =>
      n.suggestion
        ? `.personal({ …, subject: { via: '${n.suggestion}' } })  // ${place(n)}`
        : `t.foreign('${n.via}').references('users.id')  // in ${n.table}`,
  },
  COLUMN_SUBJECT_AMBIGUOUS: {
    says: (n) => `${place(n)}: through ${n.via} several ways lead to people, of kind '${n.kinds}'`,
    fix: (n) =>
      `${n.kinds}`.includes("'")
        ? `.personal({ …, subject: { via: '${n.via}', kind: '${`${n.kinds}`.split("'")[0]}' } })  // ${place(n)}`
        : `t.integer('${n.kinds}_id').references('…')  // in ${n.table}, and subject: { via: '${n.kinds}_id' }`,
  },
  COLUMN_SUBJECT_OWN: {
    says: (n) => `${place(n)}: through ${n.via} the table's own subject is found, whose column it is anyway`,
    fix: (n) => `.personal({ … })  // ${place(n)}, without 'subject'`,
  },
  COLUMN_SUBJECT_TORN: {
    says: (n) =>
      `${place(n)} is indexed with ${n.others}, and they are not one person's: the index would outlive one of them`,
    fix: (n) => `.personal({ …, search: 'exact' })  // ${place(n)}: an index of its own`,
  },
  COLUMN_SUBJECT_MOVED: {
    says: (n) => `${place(n)} leads to the person whose key seals ${n.columns}, and the update does not say whom to`,
    fix: (n) => `.update({ ${n.column}: 42, … })  // a value that names her, with all of ${n.columns}`,
  },
} as const satisfies Record<string, Text>;

/** Added to an error that was raised while reading what a statement returned. */
export const notes = {
  WRITTEN: 'note: the statement itself was carried out; do not repeat it',
  WRITTEN_IN_TRANSACTION: 'note: the statement itself was carried out, and stands if the transaction commits',
} as const;

export type ErrorCode = keyof typeof texts;
