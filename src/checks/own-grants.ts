/**
 * What each role may do with oubli's own tables, and no more: the least privilege that what it is for needs, as the tests of the roles
 * measure it (GDPR Art. 25 and 32(1)(b); PostgreSQL manual 5.8). Whoever owns the schema may do everything, and logs in for migrations.
 */

/**
 * `app` serves people, `purge` erases, `export` hands out, `auditor` looks at what was done; `keystore` makes keys for them and reads them, where
 * that has a role of its own.
 */
export const ROLES = ['app', 'purge', 'export', 'auditor', 'keystore'] as const;
export type Role = (typeof ROLES)[number];

/** `select`, `insert`, `update`, `delete`; on single columns where it is for them only. */
export interface Grant {
  readonly privilege: 'select' | 'insert' | 'update' | 'delete';
  readonly columns?: readonly string[] | undefined;
}

export interface TableGrants {
  readonly schema: string;
  /** With its schema, quoted as `format('%I.%I')` does. */
  readonly table: string;
  readonly grants: readonly Grant[];
}

/** Everything of a key but what it is wrapped in. */
const KEY_WITHOUT_BYTES = ['key_id', 'epoch', 'born', 'successor', 'closed', 'fingerprint', 'created_at', 'keep_until'];

const read = (...columns: string[]): Grant => ({ privilege: 'select', ...(columns.length > 0 && { columns }) });
const add: Grant = { privilege: 'insert' };
const change = (...columns: string[]): Grant => ({ privilege: 'update', ...(columns.length > 0 && { columns }) });
const remove: Grant = { privilege: 'delete' };

/** What everybody reads: declarations, which tell nothing of anybody. */
const DECLARED: Readonly<Record<string, readonly Grant[]>> = Object.fromEntries(
  [
    'migration',
    'instance',
    'element',
    'annotation',
    'personal_table',
    'reference',
    'table_reference',
    'epoch',
    'archive',
  ].map((table) => [table, [read()]]),
);
/** Whoever writes the ledger reads it, links what it wrote, and says how far the journal was told. */
const WRITES_LEDGER: Readonly<Record<string, readonly Grant[]>> = {
  ledger: [read(), add],
  ledger_link: [read(), add],
  ledger_head: [read(), change('position', 'link')],
  ledger_told: [read(), change()],
  ledger_fork: [read()],
  ledger_replayed: [read()],
};
/** Where the ledger's chain ends, and no entry of it. */
const LEDGERS_PLACE = ['ledger_link', 'ledger_head', 'ledger_told', 'ledger_fork', 'ledger_replayed'];
/** A key is made where there is none: whoever names somebody names her by its id. */
const MAKES_KEYS: Readonly<Record<string, readonly Grant[]>> = {
  subject_key: [read(), add],
  subject_link: [read(), add],
  fence: [read()],
  restriction: [read()],
};

const OWN: Readonly<Record<Role, Readonly<Record<string, readonly Grant[]>>>> = {
  app: {
    ...DECLARED,
    ...WRITES_LEDGER,
    ...MAKES_KEYS,
    person_event: [read(), add, change(), remove],
    notice: [read(), remove],
    deferred_request: [read(), remove],
  },
  purge: {
    ...DECLARED,
    ...WRITES_LEDGER,
    ...MAKES_KEYS,
    subject_key: [read(...KEY_WITHOUT_BYTES), add, change('keep_until', 'closed'), remove],
    subject_link: [read(), add, change(), remove],
    fence: [read(), add],
    errand: [read(), add, remove],
    person_event: [read(), change(), remove],
    parent_deletion: [read(), remove],
    notice: [read(), add, change(), remove],
    hold_case: [read()],
    held_person: [read(), remove],
    held_row: [read(), remove],
    held_table: [read(), add, change(), remove],
    restriction: [read(), remove],
    standing_case: [read()],
    person_held: [read()],
    row_held: [read()],
    held_archive: [read(), remove],
    deferred_request: [read(), add, change(), remove],
    deferred_sweep: [read(), add, change(), remove],
    unrecorded: [read(), remove],
    archive_key: [read(), add, change(), remove],
    archive_outbox: [read(), add, change(), remove],
    sweep_state: [read(), add, change()],
    ending_partition: [read(), add, change(), remove],
    vacuumed: [read(), change()],
    vacuumed_table: [read(), add, change(), remove],
    unused_key: [read(), add, change(), remove],
    unused_look: [read(), change()],
  },
  export: { ...DECLARED, ...WRITES_LEDGER, ...MAKES_KEYS },
  keystore: {
    ...DECLARED,
    ...MAKES_KEYS,
    // whether the database is the one that the journal speaks of is looked at before a key is given
    ...Object.fromEntries(LEDGERS_PLACE.map((table) => [table, [read()]])),
  },
  auditor: {
    ...DECLARED,
    ...Object.fromEntries(Object.keys(WRITES_LEDGER).map((table) => [table, [read()]])),
    subject_key: [read(...KEY_WITHOUT_BYTES)],
    fence: [read()],
    restriction: [read('key_id')],
    hold_case: [read()],
    standing_case: [read()],
    held_person: [read('case_id')],
    held_archive: [read('case_id')],
    held_row: [read('case_id')],
    sweep_state: [read()],
    vacuumed: [read()],
    vacuumed_table: [read()],
    archive_key: [read()],
    archive_outbox: [read('source', 'id', 'key_id', 'until', 'entry', 'moved_at')],
  },
};

/** What goes by its owner's rights, and so is nobody's unless it is said. */
export const OWN_FUNCTIONS: Readonly<Partial<Record<Role, readonly string[]>>> = {
  app: ['oubli.let_in(text, text, bytea, bytea, bytea, bytea, integer)'],
  purge: ['oubli.keys_in_use(bytea[], regclass)', 'oubli.hold_place(regclass)'],
};

/**
 * @param opensKept whether rows that the law keeps are sealed anew: with the key of whoever leaves
 * @param keysApart whether keys are made and read by a role of their own, and so by no other
 */
export function ownGrants(role: Role, opensKept: boolean, keysApart: boolean): TableGrants[] {
  return Object.entries(OWN[role]).map(([name, grants]) => ({
    schema: 'oubli',
    table: `oubli.${name}`,
    grants:
      keysApart && role !== 'keystore'
        ? withoutKeys(role, name, grants)
        : [...grants, ...opening(role, name, opensKept)],
  }));
}

function opening(role: Role, table: string, opensKept: boolean): Grant[] {
  return opensKept && role === 'purge' && table === 'subject_key' ? [read('wrapped')] : [];
}

/** Of a key all but what it is wrapped in; none is made, and none is given to anybody: only the purge takes one away. */
function withoutKeys(role: Role, table: string, grants: readonly Grant[]): readonly Grant[] {
  if (table !== 'subject_key' && table !== 'subject_link') return grants;
  if (role !== 'purge') return [table === 'subject_link' ? read() : read(...KEY_WITHOUT_BYTES)];
  return grants.filter(({ privilege }) => privilege !== 'insert');
}
