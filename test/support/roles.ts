/** Roles made by the script of `oubli roles`, and instances and bare connections as each of them. */
import { expect } from 'chai';
import knexPackage, { type Knex } from 'knex';
import type { Oubli } from '../../src';
import { ROLES, type Role } from '../../src/checks/own-grants';
import { runOubli } from './cli';
import type { World } from './world';

/** Of processes; the key store's is none. */
export type ProcessRole = Exclude<Role, 'keystore'>;
export const PROCESS_ROLES = ROLES.filter((role): role is ProcessRole => role !== 'keystore');

export interface RolesOfWorld {
  readonly names: Readonly<Record<ProcessRole, string> & Partial<Record<Role, string>>>;
  readonly script: string;
  readonly instances: Readonly<Record<ProcessRole, Oubli & { knex: Knex }>>;
  /** As psql would be. */
  readonly bare: Readonly<Record<Role, Knex>>;
  /** They are the server's, and would outlive the database. */
  drop(): Promise<void>;
}

/**
 * The script is run twice: it is to change nothing then.
 * @param keysApart whether keys have a role of their own, which the instances of all others are told of
 */
export async function createRoles(world: World, mark: string, { keysApart = false } = {}): Promise<RolesOfWorld> {
  const all = each((role) => `o'ubli "${role}" ${mark} ${process.pid}`);
  const { keystore: _, ...processes } = all;
  const names = keysApart ? all : processes;
  const script = await roleScriptOf(world.url, names);
  for (const _ of [1, 2]) await world.plain.raw(script.replaceAll('?', '\\?'));
  for (const name of Object.values(names)) await world.plain.raw(`alter role ?? login password 'x'`, [name]);
  const at = each((role) => addressOf(world.url, all[role]));
  const bare = each((role) => knexPackage({ client: 'pg', connection: at[role], pool: { min: 0, max: 1 } }));
  const instances = {} as Record<ProcessRole, Oubli & { knex: Knex }>;
  const keyStore = keysApart ? { keyStore: { knex: bare.keystore } } : {};
  for (const role of PROCESS_ROLES)
    instances[role] = await world.another({ config: { connection: at[role] }, ...keyStore });
  const drop = async (): Promise<void> => {
    for (const knex of Object.values(bare)) await knex.destroy();
    for (const name of Object.values(names)) await world.plain.raw('drop owned by ??', [name]);
    for (const name of Object.values(names)) await world.plain.raw('drop role ??', [name]);
  };
  return { names, script, instances, bare, drop };
}

export async function roleScriptOf(url: string, names: Readonly<Partial<Record<Role, string>>>): Promise<string> {
  const { stdout, stderr, code } = await runOubli(['roles', '--url', url, ...namedRoles(names)]);
  expect(code, stderr).to.equal(0);
  return stdout;
}

/** As options of the command line. */
export function namedRoles(names: Readonly<Partial<Record<Role, string>>>): string[] {
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
