/** Where keys come from: a file that only its owner reads, or an environment variable. */
import { promises } from 'node:fs';
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { environmentKeys, localKeys } from '../../../src';
import { newKeyDocument } from '../../../src/keyring/key-document';
import { generateKeyFile } from '../../../src/keyring/local-keys';
import { interruptibleKeys } from '../../../src/testing';
import { expectFix, failureOf, refusalOf } from '../../support/refusals';

describe('Keys from a file', () => {
  let folder: string;
  let file: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'oubli-keys-'));
    file = path.join(folder, 'oubli.keys');
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('are those that were generated', async () => {
    await generateKeyFile(file);
    const keys = await localKeys({ file }).load();
    expect(Buffer.from(keys.index).toString('base64')).to.equal(JSON.parse(await readFile(file, 'utf8')).index);
  });

  it('are on disk with their name when they are made: the file, then its folder', async () => {
    const synced: string[] = [];
    const { open } = promises;
    promises.open = async (...asked: Parameters<typeof open>) => {
      const handle = await open(...asked);
      const { sync } = handle;
      handle.sync = async () => {
        await sync.call(handle);
        synced.push((await handle.stat()).isDirectory() ? 'folder' : `file of ${(await handle.stat()).size > 0}`);
      };
      return handle;
    };
    try {
      await generateKeyFile(file);
    } finally {
      promises.open = open;
    }
    expect(synced).to.deep.equal(process.platform === 'win32' ? ['file of true'] : ['file of true', 'folder']);
  });

  it('K9 are made for whole numbers of epochs only', async () => {
    await generateKeyFile(file);
    const before = await readFile(file, 'utf8');
    for (const keys of [localKeys({ file }), interruptibleKeys()])
      for (const epoch of [1.5, 0, -1, Number.NaN, 2 ** 31])
        expect((await refusalOf(() => keys.openEpoch(epoch))).code, `${epoch}`).to.equal('BAD_EPOCH');
    expect((await refusalOf(() => localKeys({ file }).destroyEpoch(1.5))).code).to.equal('BAD_EPOCH');
    expect(await readFile(file, 'utf8')).to.equal(before);
  });

  it('are named by their file, and read only when they are asked for', async () => {
    const provider = localKeys({ file });
    expect(provider.name).to.equal(`file ${file}`);
    await generateKeyFile(file);
    expect((await provider.load()).epochs.size).to.equal(1);
  });

  it('are missed by name', async () => {
    const error = await refusalOf(() => localKeys({ file }).load());
    expect(error.code).to.equal('KEY_FILE_MISSING');
    expectFix(error, /npx oubli keys generate --out .*oubli\.keys/);
  });

  for (const mode of [0o644, 0o640, 0o604, 0o620, 0o602, 0o610]) {
    it(`are refused from a file of mode ${mode.toString(8)}, which others can reach`, async () => {
      await generateKeyFile(file);
      await chmod(file, mode);
      const error = await refusalOf(() => localKeys({ file }).load());
      expect(error.code).to.equal('KEY_FILE_OPEN');
      expectFix(error, /^chmod 600 .*oubli\.keys$/);
    });
  }

  for (const mode of [0o600, 0o400, 0o700]) {
    it(`are taken from a file of mode ${mode.toString(8)}`, async () => {
      await generateKeyFile(file);
      await chmod(file, mode);
      expect((await localKeys({ file }).load()).epochs.size).to.equal(1);
    });
  }

  it('are never overwritten, nor written through a link', async () => {
    await generateKeyFile(file);
    const before = await readFile(file);
    expect((await refusalOf(() => generateKeyFile(file))).code).to.equal('KEY_FILE_EXISTS');
    expect(await readFile(file)).to.deep.equal(before);
  });

  it('are readable by their owner only from the first byte, whatever the umask', async () => {
    const umask = process.umask(0);
    try {
      await generateKeyFile(file);
    } finally {
      process.umask(umask);
    }
    expect((await stat(file)).mode & 0o777).to.equal(0o600);
  });

  it('give the system’s own error for a folder that is not there or a path that is one', async () => {
    expect((await failureOf(() => generateKeyFile(path.join(folder, 'none', 'oubli.keys')))).code).to.equal('ENOENT');
    await mkdir(file, { mode: 0o700 });
    expect((await failureOf(() => localKeys({ file }).load())).code).to.equal('EISDIR');
  });
});

describe('Epochs in a file', () => {
  let folder: string;
  let file: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'oubli-keys-'));
    file = path.join(folder, 'oubli.keys');
    await generateKeyFile(file);
  });
  afterEach(() => rm(folder, { recursive: true }));

  const documentIn = async (): Promise<{ epochs: Record<string, string> }> => JSON.parse(await readFile(file, 'utf8'));

  it('are made durably, beside what was there, and made once', async () => {
    const { epochs: before, ...others } = await documentIn();
    const key = await localKeys({ file }).openEpoch(2);
    const base64 = Buffer.from(key).toString('base64');
    expect(key).to.have.length(32);
    expect(await documentIn()).to.deep.equal({ ...others, epochs: { ...before, 2: base64 } });
    expect(Buffer.from(await localKeys({ file }).openEpoch(2)).toString('base64')).to.equal(base64);
  });

  it('K7: are destroyed out of the file, and never called proven; asked again it says the same', async () => {
    const provider = localKeys({ file });
    const { epochs } = await documentIn();
    await provider.openEpoch(2);
    for (let time = 0; time < 2; time++) {
      const destruction = await provider.destroyEpoch(1);
      expect(destruction).to.include({ is: 'destroyed', proven: false });
      expect(destruction.how).to.contain('copy');
    }
    expect(await readFile(file, 'utf8')).not.to.contain(epochs[1]);
    expect([...(await provider.load()).epochs.keys()]).to.deep.equal([2]);
  });

  it('K6: stay while they are the newest', async () => {
    const error = await refusalOf(() => localKeys({ file }).destroyEpoch(1));
    expect(error.code).to.equal('NEWEST_EPOCH');
    expect((await localKeys({ file }).load()).epochs.size).to.equal(1);
    expect(await readdir(folder)).to.deep.equal(['oubli.keys']);
  });

  it('leave the file its owner’s only, and where a link leads to', async () => {
    const link = path.join(folder, 'linked.keys');
    await chmod(file, 0o400);
    await symlink(file, link);
    await localKeys({ file: link }).openEpoch(2);
    expect((await lstat(link)).isSymbolicLink()).to.equal(true);
    expect((await stat(file)).mode & 0o777).to.equal(0o400);
    expect((await localKeys({ file }).load()).epochs.size).to.equal(2);
    expect((await readdir(folder)).sort()).to.deep.equal(['linked.keys', 'oubli.keys']);
  });

  it('are made by several at once without losing one', async () => {
    const made = await Promise.all([2, 3, 4, 5].map((epoch) => localKeys({ file }).openEpoch(epoch)));
    const { epochs } = await localKeys({ file }).load();
    expect(made).to.deep.equal([2, 3, 4, 5].map((epoch) => epochs.get(epoch)));
  });

  it('are made after a process that was killed while it wrote, of which nothing stays', async () => {
    const left = `${file}.next`;
    await writeFile(left, '{"oubli": 1, "epo', { mode: 0o600 });
    const then = new Date(Date.now() - 60_000);
    await utimes(left, then, then);
    await localKeys({ file }).openEpoch(2);
    expect(await readdir(folder)).to.deep.equal(['oubli.keys']);
  });

  it('are not made where the file is another key document than it should be, which stays as it is', async () => {
    await writeFile(file, '{"oubli": 1}');
    expect((await refusalOf(() => localKeys({ file }).openEpoch(2))).code).to.equal('KEY_DOCUMENT');
    expect(await readFile(file, 'utf8')).to.equal('{"oubli": 1}');
    expect(await readdir(folder)).to.deep.equal(['oubli.keys']);
  });

  it('are refused where nothing can be written', async function () {
    const mounted = '/sys/kernel/uevent_seqnum'; // of a file system on which nobody makes files
    if (process.platform !== 'linux') this.skip();
    const error = await failureOf(() => localKeys({ file: mounted }).openEpoch(2));
    expect(error.code).to.equal('EPOCHS_READ_ONLY');
  });
});

describe('Keys from the environment', () => {
  const names = ['OUBLI_KEYS', 'OUR_KEYS'];
  const saved = new Map(names.map((name) => [name, process.env[name]]));
  afterEach(() => {
    for (const [name, value] of saved) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });

  it('are read from OUBLI_KEYS, or from the variable that is named', async () => {
    process.env.OUBLI_KEYS = String(newKeyDocument());
    process.env.OUR_KEYS = String(newKeyDocument());
    const ours = await environmentKeys().load();
    const theirs = await environmentKeys({ variable: 'OUR_KEYS' }).load();
    expect(ours.index).not.to.deep.equal(theirs.index);
    expect(Buffer.from(theirs.index).toString('base64')).to.equal(JSON.parse(process.env.OUR_KEYS).index);
  });

  it('are missed by the variable’s name', async () => {
    delete process.env.OUR_KEYS;
    for (const value of [undefined, '']) {
      if (value !== undefined) process.env.OUR_KEYS = value;
      const error = await refusalOf(() => environmentKeys({ variable: 'OUR_KEYS' }).load());
      expect(error.code).to.equal('KEY_VARIABLE_MISSING');
      expectFix(error, /export OUR_KEYS="\$\(cat oubli\.keys\)"/);
    }
  });

  it('are refused as a document is, and named by their variable', async () => {
    process.env.OUR_KEYS = '{"oubli": 1}';
    const error = await refusalOf(() => environmentKeys({ variable: 'OUR_KEYS' }).load());
    expect(error.code).to.equal('KEY_DOCUMENT');
    expect(error.message).to.contain('environment variable OUR_KEYS');
  });
});
