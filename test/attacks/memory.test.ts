/**
 * Somebody reads the memory of the application's process from outside, as a core dump has it, and knows what to look for: every key of
 * everybody, of which she finds none any more when the instance was closed.
 *
 * What this does not prove, because JavaScript cannot promise it: the noble engine leaves copies of epoch keys, what a key service answers
 * passes through texts of Node's HTTP client, and a key document in the environment stays there.
 */
import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { indexKey } from '../../src/crypto/blind-index';
import type { Engine } from '../../src/crypto/engine';
import { parseEnvelope } from '../../src/crypto/envelope';
import { ROW_SALT_BYTES } from '../../src/crypto/layout';
import { libsodiumEngine } from '../../src/crypto/libsodium';
import { deriveRowKey } from '../../src/crypto/row-key';
import { signingSeed } from '../../src/crypto/signature';
import { unwrapKey } from '../../src/crypto/subject-key';
import { parseKeyDocument } from '../../src/keyring/key-document';
import { type Holder, startHolder } from '../support/memory-process';
import { HAS_MEMORY_FILES, searchMemory } from '../support/process-memory';
import { type Needle, needlesOfBytes } from '../support/scan';
import { createWorld, type World } from '../support/world';

/** Without Linux's files of a process's memory, skipped under its name. */
const test = HAS_MEMORY_FILES ? it : it.skip;
const EIGHTHS = [0, 8, 16, 24];

describe('Somebody who reads the memory of the process', function () {
  this.timeout(60_000);
  let world: World;
  let holder: Holder;
  let engine: Engine;
  /** Learned from what is stored and from the key file, before it is destroyed there. */
  const keys = new Map<string, Buffer>();

  before(async () => {
    world = await createWorld();
    engine = await libsodiumEngine();
    holder = startHolder(world.url, world.keyFile);
  });
  after(async () => {
    await holder.kill();
    await world.end();
  });

  const learn = async (): Promise<void> => {
    const { epochs, index, ledger } = parseKeyDocument(await readFile(world.keyFile), 'the key file');
    for (const [epoch, key] of epochs) keys.set(`epoch ${epoch}`, Buffer.from(key));
    keys.set('index root', Buffer.from(index));
    keys.set('ledger root', Buffer.from(ledger));
    keys.set('signing seed', Buffer.from(signingSeed(engine, ledger)));
    for (const { key_id: keyId, epoch, wrapped } of await world.plain('oubli.subject_key')) {
      const dek = unwrapKey(engine, epochs.get(epoch) as Uint8Array, wrapped, keyId, epoch);
      keys.set(`key of ${keyId.toString('hex')}`, Buffer.from(dek));
    }
    for (const { id, email } of await world.plain('users').select('id', 'email')) {
      const { element, keyId, salt } = parseEnvelope(email);
      keys.set('index key', Buffer.from(indexKey(engine, index, element, 'email', 1)));
      const dek = keys.get(`key of ${Buffer.from(keyId).toString('hex')}`);
      const row = dek && deriveRowKey(engine, dek, keyId, salt.subarray(0, ROW_SALT_BYTES));
      if (row) keys.set(`row key ${id}`, Buffer.from(row.cipherKey));
    }
  };
  /** Keys of which eight bytes in a row stand in memory, or a text of them. */
  const found = async (): Promise<Set<string>> => {
    const { traces, bytes } = await searchMemory(holder.pid, [...keys].flatMap(needlesOfKey));
    expect(bytes, 'memory that was looked at').to.be.greaterThan(30_000_000);
    return new Set(traces.map(({ name }) => name));
  };

  test('finds every key while it is in use, but for those of rows that are written', async () => {
    expect(await holder.next()).to.equal('lives');
    await learn();
    const present = await found();
    const isOfRow = (name: string): boolean => name.startsWith('row key');
    expect([...keys.keys()].filter((name) => !isOfRow(name) && !present.has(name))).to.deep.equal([]);
    expect(keys.size).to.equal(60 + 60 + 5);
    // of the last one, libsodium's stack keeps the hash until the next
    expect([...present].filter(isOfRow), 'overwritten as soon as the row was').to.have.length.at.most(1);
  });

  test('K5: finds no key of an epoch that was destroyed, though the process lives on', async () => {
    expect(await holder.next()).to.equal('has rotated');
    await learn();
    const present = await found();
    expect([...present])
      .to.include('epoch 3')
      .and.not.to.include('epoch 1');
  });

  test('K10: finds no key at all after close(): of nobody, of no epoch, no root, and nothing derived of them', async () => {
    expect(await holder.next()).to.equal('has closed');
    await learn();
    expect(keys.size).to.be.greaterThan(126);
    expect([...(await found())]).to.deep.equal([]);
  });
});

function needlesOfKey([name, key]: [string, Buffer]): Needle[] {
  const parts = EIGHTHS.map((at) => ({ name, form: `bytes from ${at}`, bytes: key.subarray(at, at + 8) }));
  return [...needlesOfBytes(name, key), ...parts];
}
