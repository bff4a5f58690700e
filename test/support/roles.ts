/** Roles made by the script of `oubli roles`, and instances and bare connections as each of them. */
import { expect } from 'chai';
import knexPackage, { type Knex } from 'knex';
import type { Oubli } from '../../src';
import { ROLES, type Role } from '../../src/checks/own-grants';
import { runOubli } from './cli';
import type { World } from './world';

export interface RolesOfWorld {
  readonly names: Readonly<Record<Role, string>>;
  readonly script: string;
  readonly instances: Readonly<Record<Role, Oubli & { knex: Knex }>>;
  /** As psql would be. */
  readonly bare: Readonly<Record<Role, Knex>>;
  /** They are the server's, and would outlive the database. */
  drop(): Promise<void>;
}

/** The script is run twice: it is to change nothing then. */
export async function createRoles(world: World, mark: string): Promise<RolesOfWorld> {
  const names = each((role) => `o'ubli "${role}" ${mark} ${process.pid}`);
  const script = await roleScriptOf(world.url, names);
  for (const _ of [1, 2]) await world.plain.raw(script.replaceAll('?', '\\?'));
  for (const name of Object.values(names)) await world.plain.raw(`alter role ?? login password 'x'`, [name]);
  const at = each((role) => addressOf(world.url, names[role]));
  const bare = each((role) => knexPackage({ client: 'pg', connection: at[role], pool: { min: 0, max: 1 } }));
  const instances = {} as Record<Role, Oubli & { knex: Knex }>;
  for (const role of ROLES) instances[role] = await world.another({ config: { connection: at[role] } });
  const drop = async (): Promise<void> => {
    for (const knex of Object.values(bare)) await knex.destroy();
    for (const name of Object.values(names)) await world.plain.raw('drop owned by ??', [name]);
    for (const name of Object.values(names)) await world.plain.raw('drop role ??', [name]);
  };
  return { names, script, instances, bare, drop };
}

export async function roleScriptOf(url: string, names: Readonly<Record<Role, string>>): Promise<string> {
  const { stdout, stderr, code } = await runOubli(['roles', '--url', url, ...namedRoles(names)]);
  expect(code, stderr).to.equal(0);
  return stdout;
}

/** As options of the command line. */
export function namedRoles(names: Readonly<Record<Role, string>>): string[] {
  return Object.entries(names).flatMap(([role, name]) => [`--${role}`, name]);
}

function each<T>(made: (role: Role) => T): Record<Role, T> {
  return Object.fromEntries(ROLES.map((role) => [role, made(role)])) as Record<Role, T>;
}

function addressOf(url: string, name: string): string {
  const at = new URL(url);
  at.username = encodeURIComponent(name);
  at.password = 'x';
  return at.href;
}
