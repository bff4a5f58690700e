/** The package as its users get it: packed, unpacked beside its declared dependencies alone, and used. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

const run = promisify(execFile);
const repository = path.join(__dirname, '..');
const compiler = path.join(repository, 'node_modules', 'typescript-7', 'bin', 'tsc');

interface Manifest {
  dependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
  peerDependenciesMeta: Record<string, { optional: boolean }>;
  bin: { oubli: string };
}

describe('the package', function () {
  this.timeout(90_000);
  let consumer: string;
  let installed: string;
  let manifest: Manifest;

  before(() => {
    consumer = mkdtempSync(path.join(tmpdir(), 'oubli-consumer-'));
    installed = path.join(consumer, 'node_modules', 'oubli');
    mkdirSync(installed, { recursive: true });
    execFileSync('tar', ['-xzf', pack(consumer), '-C', installed, '--strip-components=1']);
    manifest = JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8')) as Manifest;
    // Declared and needed, nothing else: a dependency that was forgotten in package.json is not found here.
    const optional = Object.keys(manifest.peerDependenciesMeta);
    const needed = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
    for (const name of needed.filter((name) => !optional.includes(name))) link(name);
    for (const name of ['@types/node', '@types/pg']) link(name);
  });

  after(() => rmSync(consumer, { recursive: true, force: true }));

  function link(name: string): void {
    const place = path.join(consumer, 'node_modules', name);
    mkdirSync(path.dirname(place), { recursive: true });
    symlinkSync(path.join(repository, 'node_modules', name), place);
  }

  function write(name: string, text: string): string {
    const file = path.join(consumer, name);
    writeFileSync(file, text);
    return file;
  }

  async function answerOf(name: string, script: string): Promise<string> {
    const { stdout } = await run(process.execPath, [write(name, script)], { cwd: consumer });
    return stdout.trim();
  }

  it('holds the compiled code, its types and the migrations, and no source or test', () => {
    const entries = readdirSync(installed).sort();
    expect(entries).to.include.members(['LICENSE', 'README.md', 'dist', 'migrations', 'package.json']);
    expect(entries).not.to.include.members(['src', 'test', 'node_modules']);
    expect(readdirSync(path.join(installed, 'migrations'))).to.deep.equal(
      readdirSync(path.join(repository, 'migrations')),
    );
  });

  it('is one and the same for require and import, without any optional peer', async () => {
    const same = `typeof required.oubli === 'function' && required.oubli === imported.oubli && required.OubliError === imported.OubliError`;
    const fromCommonJs = `const required = require('oubli'); import('oubli').then((imported) => console.log(${same}));`;
    const fromModule = `import * as imported from 'oubli'; import { oubli } from 'oubli'; import { createRequire } from 'node:module';
      const required = createRequire(import.meta.url)('oubli'); console.log(${same} && oubli === imported.oubli);`;
    expect(await answerOf('same.cjs', fromCommonJs)).to.equal('true');
    expect(await answerOf('same.mjs', fromModule)).to.equal('true');
  });

  it('misses the client of AWS KMS only when its keys are asked for, and names it', async () => {
    const script = `const { awsKmsKeys, documentFile } = require('oubli');
      const document = documentFile({ file: './none.json' });
      awsKmsKeys({ installation: 'shop', region: 'eu-west-3', document }).create().catch((error) =>
        console.log(error.constructor.name, error.code, error.fix));`;
    const said = 'ConfigurationError KMS_CLIENT_MISSING npm install @aws-sdk/client-kms';
    expect(await answerOf('kms.cjs', script)).to.equal(said);
  });

  it('opens its testing door without a test framework', async () => {
    const names = `console.log(Object.keys(require('oubli/testing')).length > 0)`;
    expect(await answerOf('testing.cjs', names)).to.equal('true');
  });

  it('keeps every other door shut', async () => {
    const inside = `try { require('oubli/dist/errors') } catch (error) { console.log(error.code) }`;
    expect(await answerOf('inside.cjs', inside)).to.equal('ERR_PACKAGE_PATH_NOT_EXPORTED');
  });

  it('reads a knexfile in TypeScript by what the project has for that, and says so where it has nothing', async () => {
    write('knexfile.ts', `const none: object = {};\nexport default { development: none };`);
    write('package.json', '{}');
    const args = [
      path.join(installed, manifest.bin.oubli),
      'check',
      '--knexfile',
      'knexfile.ts',
      '--env',
      'production',
    ];
    const said = (): Promise<string> =>
      run(process.execPath, args, { cwd: consumer }).then(
        () => 'nothing',
        ({ stderr }: { stderr: string }) => stderr,
      );
    const { typescript } = process.features as { typescript?: unknown };
    if (!typescript) expect(await said()).to.match(/^oubli: knexfile\.ts is TypeScript, and nothing here reads that/);
    for (const name of ['ts-node', 'typescript']) link(name);
    expect(await said()).to.match(/^oubli: knexfile\.ts has no environment 'production'/);
  });

  it('brings its types to ES modules, CommonJS and bundlers', async () => {
    const usage = `
      import { localKeys, oubli } from 'oubli';
      import * as testing from 'oubli/testing';
      import type { Knex } from 'knex';
      export const migration = (knex: Knex) => knex.schema.createTable('users', (t) => {
        t.text('email').personal({ category: 'contact.email', protect: 'encrypt' });
        // @ts-expect-error: no such protection
        t.text('name').personal({ category: 'identity.name', protect: 'rot13' });
      });
      // @ts-expect-error: a number is no Knex instance
      export const misuse = () => oubli(42);
      export const doors = { oubli, testing };
      export const people = async (knex: Knex): Promise<string | null | undefined> => {
        await knex('people').insert({ name: 'Ada', points: 7, born: '1815-12-10' });
        // @ts-expect-error: a name is needed
        await knex('people').insert({ points: 7 });
        const { db } = await oubli(knex, { keys: localKeys({ file: './oubli.keys' }) });
        const ada = await db('people').first('name', 'points');
        // @ts-expect-error: null once she was erased
        const name: string | undefined = ada?.name;
        // @ts-expect-error: no such column, so the table was known
        await db('people').update({ nmae: 'Ada' });
        return ada?.name ?? name;
      };`;
    const tables = write(
      'tables.d.ts',
      `import type { Protected } from 'oubli';
      interface Person { id: number; name: string; born: Date | null; points: string }
      declare module 'knex/types/tables.js' {
        interface Tables { people: Protected<Person, 'name' | 'born', 'id' | 'born', 'points'> }
      }`,
    );
    const nodenext = [tables, write('esm.mts', usage), write('cjs.cts', usage)];
    const bundler = [tables, write('bundled.ts', usage)];
    await Promise.all([
      compile(['--module', 'nodenext', ...nodenext]),
      compile(['--module', 'preserve', '--moduleResolution', 'bundler', ...bundler]),
    ]);
  });

  async function compile(flags: string[]): Promise<void> {
    const strict = ['--noEmit', '--strict', '--target', 'es2022', '--types', 'node'];
    await run(process.execPath, [compiler, ...strict, ...flags], { cwd: consumer }).catch(
      (error: { stdout: string }) => {
        throw new Error(`a consumer does not compile:\n${error.stdout}`);
      },
    );
  }

  it('pleases publint', async () => {
    const { messages } = await publint({ pkgDir: installed, pack: false, strict: true });
    expect(messages.map((message) => formatMessage(message, manifest, { color: false }))).to.deep.equal([]);
  });

  it('brings a command that explains itself', async () => {
    const command = path.join(installed, manifest.bin.oubli);
    expect(readFileSync(command, 'utf8').split('\n')[0]).to.equal('#!/usr/bin/env node');
    const { stdout } = await run(process.execPath, [command, '--help'], { cwd: consumer });
    expect(stdout).to.contain('Usage: oubli');
  });
});

/** Builds and packs; answers the tarball. */
function pack(destination: string): string {
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: repository, stdio: 'inherit' }); // silent, unless it fails
  const flags = ['--json', '--ignore-scripts', '--pack-destination', destination];
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', ...flags], { cwd: repository, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }),
  ) as { filename: string }[];
  return path.join(destination, packed!.filename);
}
