/**
 * What a role may do beyond its script: what was granted to it, to everybody or to a role that it is a member of, what it owns, and what
 * the server lets it do (PostgreSQL manual 5.8, 21.2 and 21.5).
 */
import { type Queryable, quoteIdentifier as q } from '../queryable';
import type { Finding } from './finding';
import type { Grant } from './own-grants';
import type { RoleTables } from './role-tables';
import type { RoleGrants } from './roles';

const EVERYTHING = `
select r.rolname as role, to_jsonb(array_remove(array[case when r.rolsuper then 'superuser' end,
    case when r.rolreplication then 'replication' end, case when r.rolcreaterole then 'createrole' end,
    case when r.rolbypassrls then 'bypassrls' end], null)) as attributes,
  (select coalesce(jsonb_agg(m.rolname order by m.rolname), '[]') from pg_catalog.pg_roles m
    where m.oid <> r.oid and not r.rolsuper and pg_has_role(r.oid, m.oid, 'member') and m.rolname = any($3::text[])) as server,
  (select coalesce(jsonb_agg(distinct o.rolname), '[]') from pg_catalog.pg_class c join pg_catalog.pg_roles o on o.oid = c.relowner
    where c.oid = any($2::text[]::regclass[]) and not r.rolsuper and pg_has_role(r.oid, o.oid, 'member')) as owners
from pg_catalog.pg_roles r where r.rolname = any($1::text[])`;

/** A role may do to all tables, or to the files beneath them, what these may. */
const SERVERS_ROLES = [
  'pg_read_all_data',
  'pg_write_all_data',
  'pg_read_server_files',
  'pg_write_server_files',
  'pg_execute_server_program',
];

/** A member may become whom it is a member of, whether it inherits or not. */
const GRANTED = `
with wanted as (select r.rolname as role, r.oid from pg_catalog.pg_roles r where r.rolname = any($1::text[]) and not r.rolsuper),
granted as (
  select c.oid, null as col, a.grantee, a.privilege_type from pg_catalog.pg_class c, aclexplode(c.relacl) a where c.oid = any($2::text[]::regclass[])
  union all
  select t.attrelid, t.attname, a.grantee, a.privilege_type from pg_catalog.pg_attribute t, aclexplode(t.attacl) a
  where t.attrelid = any($2::text[]::regclass[]) and not t.attisdropped)
select w.role, format('%I.%I', n.nspname, c.relname) as table, lower(g.privilege_type) as privilege,
  case when g.grantee = 0 then null else pg_get_userbyid(g.grantee) end as grantee, g.col as column
from wanted w join granted g on g.grantee = 0 or pg_has_role(w.oid, g.grantee, 'member')
join pg_catalog.pg_class c on c.oid = g.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where g.grantee <> c.relowner order by 1, 2, 3, 4 nulls first, 5 nulls first`;

export async function excessGrants(
  connection: Queryable,
  grants: readonly RoleGrants[],
  { tables }: RoleTables,
): Promise<Finding[]> {
  const names = grants.map(({ name }) => name);
  const beyond = (await connection.query(EVERYTHING, [names, tables, SERVERS_ROLES])).rows;
  const { rows } = await connection.query(GRANTED, [names, tables]);
  const excess = rows.filter((row) => {
    const found = row as unknown as Granted;
    return grants.some((each) => each.name === found.role && !isGranted(each, found));
  });
  return [
    ...beyond.flatMap((row) => everything(row as unknown as Beyond)),
    ...together(excess as unknown as Granted[]),
  ];
}

interface Beyond {
  readonly role: string;
  readonly attributes: readonly string[];
  readonly server: readonly string[];
  readonly owners: readonly string[];
}

interface Granted {
  readonly role: string;
  readonly table: string;
  readonly privilege: string;
  /** Null is everybody. */
  readonly grantee: string | null;
  /** Null is the whole table. */
  readonly column: string | null;
}

function everything({ role, attributes, server, owners }: Beyond): Finding[] {
  const said = (says: string, fix: string): Finding => ({ check: 'roles', table: '', column: '', says, fix });
  return [
    ...attributes.map((name) =>
      said(`the role ${role} is ${name}: no grant limits it`, `alter role ${q(role)} no${name};`),
    ),
    ...server.map((name) => said(`the role ${role} may become ${name}`, `revoke ${q(name)} from ${q(role)};`)),
    ...owners.map((owner) =>
      owner === role
        ? said(
            `the role ${role} owns tables: it may do anything with them`,
            `reassign owned by ${q(role)} to current_user;`,
          )
        : said(`the role ${role} may become ${owner}, who owns tables`, `revoke ${q(owner)} from ${q(role)};`),
    ),
  ];
}

function isGranted({ role, tables }: RoleGrants, { table, privilege, column }: Granted): boolean {
  if (role === 'purge' && privilege === 'maintain') return true; // vacuums, and reads nothing by it
  const given = tables.filter((each) => each.table === table).flatMap((each) => each.grants);
  return given.some((grant: Grant) => {
    if (grant.privilege !== privilege) return false;
    return grant.columns === undefined || (column !== null && grant.columns.includes(column));
  });
}

/** One finding for a table and a right, whatever its columns. */
function together(excess: readonly Granted[]): Finding[] {
  const findings = new Map<string, Granted[]>();
  for (const each of excess) {
    const key = JSON.stringify([each.role, each.table, each.privilege, each.grantee]);
    findings.set(key, [...(findings.get(key) ?? []), each]);
  }
  return [...findings.values()].map((all) => {
    const { role, table, privilege, grantee } = all[0] as Granted;
    const columns = all.flatMap(({ column }) => column ?? []);
    const which = columns.length === 0 ? '' : ` (${columns.map((name) => q(name)).join(', ')})`;
    const through = grantee === role ? '' : grantee === null ? ', as everybody may' : `, through ${grantee}`;
    const own = `revoke ${privilege}${which} on ${table} from ${grantee === null ? 'public' : q(role)};`;
    return {
      check: 'roles',
      table,
      column: columns.join(', '),
      says: `the role ${role} may ${privilege}${which} on ${table}${through}: its script does not say so`,
      fix: grantee === null || grantee === role ? own : `revoke ${q(grantee)} from ${q(role)};`,
    };
  });
}
