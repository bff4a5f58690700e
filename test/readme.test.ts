/** The README runs: its blocks, from top to bottom, on a database of their own, and what it claims of them is so. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { Client } from 'pg';
import type { PgBoss } from 'pg-boss';
import { OubliError } from '../src';
import { texts } from '../src/messages';
import { startKeyServices } from './support/key-services';
import { createDatabase, type TestDatabase, testServerUrl } from './support/postgres';
import {
  asserting,
  blocksOf,
  REPOSITORY,
  ReadersProject,
  readGuides,
  readReadme,
  type Step,
  stepsOf,
} from './support/readme';
import { failureOf } from './support/refusals';
import { COMPILED } from './support/worker';

/** What the blocks call to have their claims checked, and what they start ended. */
const claims = {
  async answers(run: () => Promise<unknown>, claimed: unknown, line: string): Promise<void> {
    expect(await run(), line).to.deep.equal(claimed);
    made += 1;
  },
  async refuses(run: () => Promise<unknown>, code: string, line: string): Promise<void> {
    const error = await failureOf(run);
    expect(error, `${line}\n${error.stack}`).to.be.instanceOf(OubliError).and.to.have.property('code', code);
    made += 1;
  },
  started(boss: PgBoss): void {
    bosses.push(boss);
  },
};
let made = 0;
const bosses: PgBoss[] = [];

describe('The README', function () {
  this.timeout(60_000);
  const pages = [readReadme(), ...readGuides()];
  const markdown = pages.join('\n');
  const steps = pages.flatMap((page) => stepsOf(blocksOf(page)));
  let project: ReadersProject;
  let database: TestDatabase;
  let ran: Ran;
  let endKeyServices: () => Promise<void>;
  const outside = { cwd: process.cwd(), url: process.env.DATABASE_URL };

  before(async () => {
    project = new ReadersProject();
    database = await createDatabase(testServerUrl());
    process.chdir(project.folder);
    process.env.DATABASE_URL = database.url;
    Object.assign(globalThis, { readme: claims });
    ran = new Ran(project, database.url);
    endKeyServices = await startKeyServices(project.folder);
  });
  after(async () => {
    await ran.end();
    await endKeyServices();
    process.chdir(outside.cwd);
    if (outside.url === undefined) delete process.env.DATABASE_URL;
    else process.env.DATABASE_URL = outside.url;
    Reflect.deleteProperty(globalThis, 'readme');
    await database.drop();
    rmSync(project.folder, { recursive: true });
  });

  for (const step of steps) {
    const what = step.is === 'file' ? step.name : step.text.trim().split('\n')[0];
    it(`runs, at line ${step.line}: ${what}`, () => ran.run(step));
  }

  it('checked what it claims', () => {
    expect(made)
      .to.equal(markdown.match(/\/\/ [→✘] /g)?.length)
      .and.to.be.greaterThan(10);
  });

  it('holds code that compiles in a strict project', () => {
    const compiler = path.join(REPOSITORY, 'node_modules', 'typescript-7', 'bin', 'tsc');
    expect(said(process.execPath, [compiler, '-p', project.writeTsconfig()])).to.equal('');
  });

  it('leaves an archive that can be opened', () => {
    expect(readFileSync(path.join(project.folder, 'ada.zip')).subarray(0, 2).toString()).to.equal('PK');
  });

  it('names only error codes that exist', () => {
    const named = [...markdown.matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)].map(([, code]) => code);
    const variables = ['OUBLI_KEYS', 'OUBLI_JOURNAL', 'OUBLI_ARCHIVE_URL', 'OUBLI_KEY_STORE_URL', 'DATABASE_URL'];
    expect(named.filter((code) => !(code! in texts) && !variables.includes(code!))).to.deep.equal([]);
  });

  it('names only files that are there', () => {
    const linked = [...markdown.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, file]) => file!);
    expect(linked.filter((file) => !existsSync(path.join(REPOSITORY, file.replace('../', ''))))).to.deep.equal([]);
  });

  it('says the versions that package.json says', () => {
    const { engines } = JSON.parse(readFileSync(path.join(REPOSITORY, 'package.json'), 'utf8'));
    expect(engines.node.replaceAll('.0', '')).to.equal('^20.19 || >=22.12');
    expect(markdown).to.contain('`^20.19 \\|\\| >=22.12`');
  });

  it('is short enough to be read', () => {
    expect(readReadme().split('\n').length).to.be.below(360);
  });
});

describe('A claim of the README', () => {
  it('that nobody could check is an error', () => {
    expect(() => asserting('// → 7')).to.throw('not checked');
  });

  it('is found in a block that says nothing of its file, which is an error too', () => {
    expect(() => stepsOf(blocksOf('```ts\nconst a = 1;\n```\n'))).to.throw('name of its file');
    expect(() => stepsOf(blocksOf('```toml\na = 1\n```\n'))).to.throw("'toml'");
    expect(stepsOf(blocksOf('<!-- type-only -->\n```ts\ntype A = 1;\n```\n'))).to.deep.equal([]);
  });
});

/** Runs the steps in their reader's folder, and ends what they left running. */
class Ran {
  private readonly left: Record<string, unknown>[] = [];

  constructor(
    private readonly project: ReadersProject,
    private readonly url: string,
  ) {}

  async run(step: Step): Promise<void> {
    if (step.is === 'file') await this.file(step.name, step.text);
    else if (step.is === 'sql') await this.sql(step.text);
    else for (const command of commandsOf(step.text)) shell(command);
  }

  async end(): Promise<void> {
    for (const boss of bosses) await boss.stop({ graceful: false });
    const left = Object.assign({}, ...this.left) as { close?(): Promise<void>; db?: Knex };
    await left.close?.();
    await left.db?.destroy();
  }

  private async file(name: string, text: string): Promise<void> {
    this.project.add(name, text);
    // the knex command runs these two
    if (name === 'knexfile.ts' || name.startsWith('migrations/')) return;
    this.left.push(await this.project.run(name));
  }

  private async sql(text: string): Promise<void> {
    const client = new Client({ connectionString: this.url });
    await client.connect();
    await client.query(text).finally(() => client.end());
  }
}

/** Runs a command of ours or of Knex's; of npm's, the script or the packages must exist. Any other does not exist. */
function shell(command: string): void {
  const [program = '', verb = '', ...rest] = command.split(' ');
  const entry = { knex: 'node_modules/knex/bin/cli.js', oubli: 'src/cli/main.ts' }[verb];
  if (program === 'npm') checkNpm(verb, rest);
  else if (program === 'npx' && entry)
    said(process.execPath, [...COMPILED, path.join(REPOSITORY, entry), ...rest.map(compiledName)]);
  else throw new Error(`nobody knows this command: ${command}`);
}

/** The blocks stand in the reader's folder as JavaScript. */
function compiledName(argument: string): string {
  return argument.replace(/^knexfile\.ts$/, 'knexfile.js');
}

function checkNpm(verb: string, rest: readonly string[]): void {
  const { name, scripts, ...written } = JSON.parse(readFileSync(path.join(REPOSITORY, 'package.json'), 'utf8'));
  const peers = Object.keys(written.peerDependencies);
  if (verb === 'install') {
    expect([name, ...peers]).to.include.members([...rest]);
    // what only some need, such as readable fakes, is spoken of where they need it
    expect(rest).to.include.members([name, ...peers.filter((peer) => !written.peerDependenciesMeta[peer]?.optional)]);
  } else if (verb !== 'ci') expect(scripts).to.have.property(verb === 'run' ? (rest[0] ?? '') : verb);
}

function commandsOf(text: string): string[] {
  const lines = text.split('\n').map((line) => line.replace(/\s+#.*$/, ''));
  return lines.flatMap((line) => line.split('&&').map((command) => command.trim())).filter((command) => command !== '');
}

/** What a command prints; it throws, with that, when the command fails. */
function said(program: string, args: readonly string[]): string {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${args.join(' ')}\n${stdout}${stderr}`, { cause: error });
  }
}
