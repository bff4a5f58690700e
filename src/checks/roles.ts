/**
 * The roles of an installation as a script of GRANTs: idempotent, for whoever owns the tables to look at and to run. Nothing is granted
 * twice, and what was granted otherwise before is taken back.
 */
import type { Catalogue } from '../catalogue/model';
import { quoteLiteral as literal, quoteIdentifier as q } from '../queryable';
import { declaredGrants } from './declared-grants';
import { type Grant, OWN_FUNCTIONS, ownGrants, ROLES, type Role, type TableGrants } from './own-grants';
import type { RoleTables } from './role-tables';

/** Their names in this database; those that are not named are not written. */
export type RoleNames = Readonly<Partial<Record<Role, string>>>;

export interface RoleGrants {
  readonly role: Role;
  readonly name: string;
  readonly tables: readonly TableGrants[];
  /** Of the purge: tables whose kept rows it opens, with the key of whoever leaves. */
  readonly opened: readonly string[];
}

const FOR: Readonly<Record<Role, string>> = {
  app: 'serves people: reads and writes declared tables, makes keys; destroys none',
  purge: 'sweeps and erases: writes over what it cannot read',
  export: 'hands people their data: reads everything, writes nothing but the ledger',
  auditor: 'reads the ledger, the declarations and the ids of keys; no row of anybody',
  keystore:
    'makes keys for the others and reads them, on the connection of the key store; no row of anybody, and destroys none',
};

/** What each role may do, once. */
export function roleGrants(catalogue: Catalogue, names: RoleNames): RoleGrants[] {
  return ROLES.flatMap((role) => {
    const name = names[role];
    if (name === undefined) return [];
    const { tables, opened } = declaredGrants(catalogue, role);
    return [
      { role, name, tables: [...ownGrants(role, opened.length > 0, names.keystore !== undefined), ...tables], opened },
    ];
  });
}

/** What stands in no grant is taken back, of every table of the schema `oubli` and every declared one. */
export function roleScript(grants: readonly RoleGrants[], { tables, sequences }: RoleTables): string {
  const all = grants.map(({ name }) => q(name)).join(', ');
  return [
    '-- The roles of this database, as `oubli roles` writes them. Run it as the owner of the tables, again after each migration.',
    'begin;',
    ...grants.map(({ name }) => created(name)),
    '',
    '-- nothing for everybody, and nothing left of what was granted before',
    `revoke all on schema oubli from public, ${all};`,
    ...tables.map((table) => `revoke all on ${table} from public, ${all};`),
    ...grants.flatMap((each) => ['', `-- ${each.name} ${FOR[each.role]}`, ...granted(each, sequences)]),
    '',
    'commit;',
    '',
    ...notes(grants),
  ].join('\n');
}

function created(name: string): string {
  return `do $$ begin
  if not exists (select from pg_catalog.pg_roles where rolname = ${literal(name)}) then create role ${q(name)} nologin; end if;
end $$;`;
}

function granted({ role, name, tables, opened }: RoleGrants, sequences: readonly string[]): string[] {
  const to = q(name);
  const schemas = [...new Set(tables.map(({ schema }) => schema))];
  return [
    ...schemas.map((schema) => `grant usage on schema ${q(schema)} to ${to};`),
    ...opened.map(
      (table) =>
        `-- rows of ${table} are kept: they are opened with the key of whoever leaves, and sealed under one of their own`,
    ),
    ...tables.map(({ table, grants }) => `grant ${grants.map(written).join(', ')} on ${table} to ${to};`),
    ...(OWN_FUNCTIONS[role] ?? []).map((each) => `grant execute on function ${each} to ${to};`),
    ...(role === 'app' ? sequences.map((sequence) => `grant usage on sequence ${sequence} to ${to};`) : []),
  ];
}

function written({ privilege, columns }: Grant): string {
  return columns ? `${privilege} (${columns.map((name) => q(name)).join(', ')})` : privilege;
}

function notes(grants: readonly RoleGrants[]): string[] {
  const purge = grants.find(({ role }) => role === 'purge')?.name;
  const keystore = grants.find(({ role }) => role === 'keystore')?.name;
  return [
    "-- What a migration makes afterwards is nobody's until this script is written and run anew; no default privilege gives more.",
    ...(keystore === undefined
      ? []
      : [
          `-- Each process is told of ${keystore}: oubli(knex, { keys, keyStore: { knex: … } }), a Knex instance under this role.`,
        ]),
    ...(purge === undefined
      ? []
      : [
          `-- Archives belong to roles of their own: await installArchive(knex, { movers: [${literal(purge)}] })`,
          '-- Tables are vacuumed by their owner, or from PostgreSQL 17 on: grant maintain on <table> to the role that purges.',
        ]),
  ];
}
