/**
 * Databases on one server: one per test file, cloned from a template that was prepared once.
 *
 * Every name begins with the run's prefix, so that whatever a run leaves behind on a server it was given can be
 * found and dropped, and no run ever takes a database for its own that another made.
 */
import { createHash, randomBytes } from 'node:crypto';
import { Client, escapeIdentifier } from 'pg';

export interface TestDatabase {
  readonly url: string;
  readonly name: string;
  /** Drops the database, whoever is still connected. */
  drop(): Promise<void>;
}

/** Workers of a parallel run are child processes: they inherit the run's name through the environment. */
const runVariable = 'OUBLI_TEST_RUN';

/** Makes a database, empty or a copy of `template`: a name that `templateDatabase` answered. */
export async function createDatabase(url: string, options: { template?: string } = {}): Promise<TestDatabase> {
  const name = `${runPrefix()}${randomBytes(8).toString('hex')}`;
  await administer(url, (client) => create(client, name, options.template));
  return { url: urlOf(url, name), name, drop: () => administer(url, (client) => dropDatabase(client, name)) };
}

/**
 * Prepares a database once per run, to be cloned, and answers its name. `key` says what is in it: another content is
 * another key (a hash of the migrations, say). Files that run side by side wait for the one that came first.
 */
export async function templateDatabase(
  url: string,
  key: string,
  prepare: (url: string) => Promise<void>,
): Promise<string> {
  const name = `${runPrefix()}template_${createHash('sha256').update(key).digest('hex').slice(0, 16)}`;
  await administer(url, async (client) => {
    await client.query('select pg_advisory_lock(hashtextextended($1, 0))', [name]); // until the connection ends
    if (!(await exists(client, name))) await build(client, url, name, prepare);
  });
  return name;
}

/** Drops all databases of this run: for the end of a run on a server that outlives it. */
export async function dropRunDatabases(url: string): Promise<void> {
  await administer(url, async (client) => {
    const { rows } = await client.query<{ datname: string }>(
      'select datname from pg_database where starts_with(datname, $1)',
      [runPrefix()],
    );
    for (const { datname } of rows) await dropDatabase(client, datname);
  });
}

/** Built under another name and renamed when complete: a preparation that fails leaves nothing to be cloned. */
async function build(
  client: Client,
  url: string,
  name: string,
  prepare: (url: string) => Promise<void>,
): Promise<void> {
  const draft = await createDatabase(url);
  try {
    await prepare(draft.url);
    await client.query(`alter database ${escapeIdentifier(draft.name)} rename to ${escapeIdentifier(name)}`);
  } catch (error) {
    await draft.drop();
    throw error;
  }
  await client.query(`alter database ${escapeIdentifier(name)} allow_connections false`); // a connection would block cloning
}

async function create(client: Client, name: string, template: string | undefined): Promise<void> {
  const source = template === undefined ? '' : ` template ${escapeIdentifier(template)}`;
  await client.query(`create database ${escapeIdentifier(name)}${source}`);
}

async function dropDatabase(client: Client, name: string): Promise<void> {
  await client.query(`drop database if exists ${escapeIdentifier(name)} with (force)`);
}

async function exists(client: Client, name: string): Promise<boolean> {
  const { rowCount } = await client.query('select from pg_database where datname = $1', [name]);
  return rowCount === 1;
}

async function administer<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function urlOf(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.href;
}

function runPrefix(): string {
  process.env[runVariable] ??= randomBytes(4).toString('hex');
  return `oubli_test_${process.env[runVariable]}_`;
}
