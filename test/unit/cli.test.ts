/** The command line as an operator meets it: a child process, its output and its exit code. */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { parseKeyDocument } from '../../src/keyring/key-document';
import { type Outcome, runOubli } from '../support/cli';

const oubli = (cwd: string, ...args: string[]): Promise<Outcome> => runOubli(args, { cwd });

describe('oubli --version', () => {
  it('is that of the package', async () => {
    const { version } = JSON.parse(await readFile(path.join(__dirname, '../../package.json'), 'utf8'));
    expect(await oubli(tmpdir(), '--version')).to.deep.equal({ code: 0, stdout: `${version}\n`, stderr: '' });
  });
});

describe('oubli keys generate', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'oubli-cli-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('writes a key document that only its owner may read, and says what to do with it', async () => {
    const { code, stdout, stderr } = await oubli(folder, 'keys', 'generate');
    expect([code, stderr]).to.deep.equal([0, '']);
    expect(stdout).to.match(/^wrote oubli\.keys/);
    expect(stdout).to.contain('back it up');
    expect(stdout).to.contain(`echo 'oubli.keys' >> .gitignore`);
    const file = path.join(folder, 'oubli.keys');
    expect((await stat(file)).mode & 0o777).to.equal(0o600);
    const keys = parseKeyDocument(await readFile(file, 'utf8'), 'test');
    expect([...keys.epochs.keys()]).to.deep.equal([1]);
    for (const key of [...keys.epochs.values(), keys.index, keys.ledger]) expect(key).to.have.length(32);
  });

  it('writes where it is told, and never prints key bytes', async () => {
    const { stdout, stderr } = await oubli(folder, 'keys', 'generate', '--out', 'prod.keys');
    expect(stdout).to.match(/^wrote prod\.keys/);
    const document = JSON.parse(await readFile(path.join(folder, 'prod.keys'), 'utf8'));
    for (const key of [document.epochs['1'], document.index, document.ledger]) {
      for (const encoding of ['base64', 'hex'] as const) {
        expect(stdout + stderr).not.to.contain(Buffer.from(key, 'base64').toString(encoding));
      }
    }
  });

  it('draws other keys each time', async () => {
    await oubli(folder, 'keys', 'generate', '--out', 'a');
    await oubli(folder, 'keys', 'generate', '--out', 'b');
    expect(await readFile(path.join(folder, 'a'))).not.to.deep.equal(await readFile(path.join(folder, 'b')));
  });

  it('never overwrites a file, and says so in one line with a way out, without a stack', async () => {
    const file = path.join(folder, 'oubli.keys');
    await writeFile(file, 'what everything is sealed under');
    const { code, stdout, stderr } = await oubli(folder, 'keys', 'generate');
    expect([code, stdout]).to.deep.equal([1, '']);
    expect(stderr).to.equal(
      'oubli: oubli.keys exists; a key file is never overwritten, since what it seals would be lost\n' +
        '  fix: npx oubli keys generate --out another.keys\n',
    );
    expect(await readFile(file, 'utf8')).to.equal('what everything is sealed under');
  });
});

describe('oubli', () => {
  it('explains itself', async () => {
    const { code, stdout } = await oubli(tmpdir(), '--help');
    expect(code).to.equal(0);
    expect(stdout).to.match(/^Usage: oubli /);
    for (const verb of ['keys', 'check', 'backfill', 'unprotect'])
      expect(stdout).to.match(new RegExp(`^ {2}${verb} `, 'm'));
  });

  it('refuses a verb it does not have, and says which was meant', async () => {
    const { code, stderr } = await oubli(tmpdir(), 'kyes');
    expect(code).to.equal(1);
    expect(stderr).to.contain('unknown command').and.to.contain('keys');
  });

  it('asks for a database where none is named', async () => {
    for (const verb of ['check', 'backfill people', 'unprotect people --because why']) {
      const name = verb.split(' ')[0];
      const { code, stderr } = await runOubli(verb.split(' '), { input: 'people\n' });
      expect(code).to.equal(1);
      expect(stderr).to.match(new RegExp(`^oubli: which database\\?.*\n {2}fix: npx oubli ${name} --url postgres:`));
    }
  });

  it('asks for the keys where none are given, and shows no password in its help', async () => {
    const DATABASE_URL = 'postgres://ada:swordfish@127.0.0.1:1/none';
    const keyless = await runOubli(['backfill', 'people'], { env: { DATABASE_URL, OUBLI_KEYS: '' } });
    expect(keyless.stderr).to.match(
      /^oubli: the environment variable OUBLI_KEYS is empty.*\n {2}fix: export OUBLI_KEYS=/,
    );
    const help = await runOubli(['backfill', '--help'], { env: { DATABASE_URL } });
    expect(help.stdout).to.contain('DATABASE_URL').and.not.to.contain('swordfish');
  });
});
