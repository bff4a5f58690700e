/**
 * The settings of a database from the knexfile that the application's migrations run with: found, read and narrowed to one
 * environment as Knex's own command does it.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Knex } from 'knex';
import { ConfigurationError } from '../errors';

/**
 * Changes the working directory to that of the file.
 *
 * @param env as Knex has it: NODE_ENV unless said otherwise, then 'development'; a knexfile need not have environments
 * @throws ConfigurationError NO_SUCH_KNEXFILE, KNEXFILE_LOADER, KNEXFILE_ENVIRONMENT; and whatever the file itself throws
 */
export async function knexfileConfig(knexfile: string, env: string | undefined): Promise<Knex.Config> {
  const file = path.resolve(knexfile);
  if (!existsSync(file)) throw new ConfigurationError('NO_SUCH_KNEXFILE', { file: knexfile });
  // for good, as Knex's command does it: knexfiles name their files from where they stand, some as late as they are asked to connect
  process.chdir(path.dirname(file));
  const config = await settingsIn(file);
  const name = env || process.env.NODE_ENV || 'development';
  const chosen = (config[name] ?? config) as Knex.Config;
  if (chosen.client === undefined && chosen.connection === undefined) {
    const choices = Object.keys(config).join(', ');
    throw new ConfigurationError('KNEXFILE_ENVIRONMENT', { file: knexfile, given: name, choices });
  }
  return chosen;
}

async function settingsIn(file: string): Promise<Record<string, unknown>> {
  let settings: unknown = await moduleIn(file);
  while (typeof settings === 'object' && settings !== null && 'default' in settings) settings = settings.default;
  return (typeof settings === 'function' ? await settings() : settings) ?? {};
}

const TYPESCRIPT = /\.[cm]?ts$/;

async function moduleIn(file: string): Promise<unknown> {
  const requireThere = createRequire(file);
  if (TYPESCRIPT.test(file)) readTypeScript(requireThere, file);
  try {
    return requireThere(file);
  } catch (error) {
    if (!ONLY_IMPORTED.has(codeOf(error))) throw error;
    return import(pathToFileURL(file).href).catch((failure) => {
      throw codeOf(failure) === 'ERR_UNKNOWN_FILE_EXTENSION' ? noLoader(file) : failure;
    });
  }
}

/** An ES module, on a version of Node that does not `require` them, or one that awaits something. */
const ONLY_IMPORTED = new Set(['ERR_REQUIRE_ESM', 'ERR_REQUIRE_ASYNC_MODULE']);
const LOADERS = ['ts-node/register', 'tsx/cjs'];

/** By Node itself, by what is loaded already, or by what the project has installed. */
function readTypeScript(requireThere: NodeJS.Require, file: string): void {
  const { typescript } = process.features as { typescript?: unknown };
  if (typescript || requireThere.extensions['.ts']) return;
  const loader = LOADERS.find((name) => isInstalled(requireThere, name));
  if (!loader) throw noLoader(file);
  requireThere(loader);
}

function isInstalled(requireThere: NodeJS.Require, name: string): boolean {
  try {
    requireThere.resolve(name);
    return true;
  } catch (error) {
    if (codeOf(error) !== 'MODULE_NOT_FOUND') throw error;
    return false;
  }
}

function noLoader(file: string): ConfigurationError {
  return new ConfigurationError('KNEXFILE_LOADER', { file: path.basename(file) });
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | undefined)?.code);
}
