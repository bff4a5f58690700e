/**
 * Nothing that a program has of oubli leads to a key or a value: not by `util.inspect`, not as JSON, not in an error or its stack, and not
 * by following every property, hidden ones too, of every object that it leads to (ENVELOPE.md E8). What is looked for is found in the same
 * way where somebody prints a key by mistake.
 */
import { readFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { expect } from 'chai';
import {
  documentFile,
  environmentKeys,
  fileJournal,
  localKeys,
  OubliError,
  oubli,
  TamperedError,
  vaultTransitKeys,
} from '../../src';
import { asBuffer } from '../../src/crypto/bytes';
import { libsodiumEngine } from '../../src/crypto/libsodium';
import { unwrapKey } from '../../src/crypto/subject-key';
import { parseKeyDocument } from '../../src/keyring/key-document';
import { interruptibleKeys } from '../../src/testing';
import { seamOf } from '../support/listening';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

const CANARY = 'Canary-of-the-inspections';
const TOKEN = 'hvs.CANARYTOKENOFVAULT';

describe('Whoever prints what she has of oubli', function () {
  this.timeout(60_000);
  let world: World;
  /** Every form in which one of the keys, or some bytes of it in a row, would be printed. */
  let forms: [name: string, text: string][];
  before(async () => {
    world = await createWorld();
    await world.db('users').insert([
      { name: CANARY, email: 'a@example.org' },
      { name: `${CANARY} 2`, email: 'b@example.org' },
    ]);
    expect(await world.db('users').where({ email: 'a@example.org' }).pluck('name')).to.deep.equal([CANARY]);
    forms = [...(await everyKey(world))].flatMap(([name, key]) =>
      formsOf(key).map((form): [string, string] => [name, form]),
    );
  });
  after(() => world.end());

  const found = (thing: unknown): string[] => {
    const texts = [...reached(thing), printed(thing)];
    const secrets = [...forms, ['a value', CANARY] as const, ['a token', TOKEN] as const];
    return [...new Set(secrets.filter(([, form]) => texts.some((text) => text.includes(form))).map(([name]) => name))];
  };

  it('finds a key, a value and a token where they are printed by mistake', async () => {
    const { epochs, index } = await localKeys({ file: world.keyFile }).load();
    expect(found({ deep: [{ down: epochs }] })).to.deep.equal(['epoch 1']);
    expect(found(Object.assign(new Error('x'), { cause: { index: asBuffer(index) } }))).to.deep.equal(['index root']);
    expect(found(JSON.parse(await readFile(world.keyFile, 'utf8')))).to.include.members(['ledger root', 'epoch 1']);
    expect(found({ a: CANARY, b: TOKEN })).to.deep.equal(['a value', 'a token']);
  });

  it('sees none in an instance, nor in anything that it gives', async () => {
    const { db, scope, subject, unprotected, holds, epochs, archive, ...rest } = world;
    const things = {
      ...{ db, holds, epochs, archive, rest },
      ...{ client: db.client, seam: seamOf(db) },
      query: db('users').where({ email: 'a@example.org' }),
      raw: db.raw('select 1'),
      subject: subject('user', 1),
      value: subject('user', 1).value(CANARY),
      unprotected: unprotected(),
      scope: scope({ purpose: 'tests', max: 3 }),
      list: await epochs.list(),
      rotation: await epochs.rotate({ keep: 'none' }),
      receipt: await subject('user', 2).erase({ because: 'her request', probe: 'off' }),
      ledger: await world.verifyLedger(),
    };
    for (const [name, thing] of Object.entries(things)) expect(found(thing), name).to.deep.equal([]);
    await db.transaction(async (trx) => {
      await trx('users').where({ id: 1 }).select('id');
      expect(found(trx), 'a transaction').to.deep.equal([]);
    });
  });

  it('sees none in a provider of keys, nor the token by which it asks', async () => {
    process.env.OUBLI_INSPECTED_KEYS = await readFile(world.keyFile, 'utf8');
    const document = documentFile({ file: `${world.keyFile}.wrapped` });
    const providers = {
      file: localKeys({ file: world.keyFile }),
      environment: environmentKeys({ variable: 'OUBLI_INSPECTED_KEYS' }),
      vault: vaultTransitKeys({ installation: 'shop', address: 'http://localhost:1', token: TOKEN, document }),
      inMemory: interruptibleKeys(),
      journal: fileJournal({ file: `${world.keyFile}.journal` }),
    };
    for (const load of [providers.file, providers.environment, providers.inMemory]) await load.load();
    delete process.env.OUBLI_INSPECTED_KEYS;
    for (const [name, provider] of Object.entries(providers)) expect(found(provider), name).to.deep.equal([]);
  });

  it('sees none in what is thrown: of damage, of wrong keys, of none', async () => {
    const name = world.plain('users').where({ id: 1 });
    const damaged = await name.first('name');
    const [{ swapped }] = (
      await world.plain.raw(
        'select set_byte(name::bytea, 60, 255 - get_byte(name::bytea, 60)) as swapped from users where id = 1',
      )
    ).rows;
    await world.plain('users').where({ id: 1 }).update({ name: swapped });
    const errors = [await failureOf(() => world.db('users').select())];
    await world.plain('users').where({ id: 1 }).update({ name: damaged.name });

    const other = world.unprotected();
    errors.push(await failureOf(() => other('users').insert({ name: CANARY, email: CANARY })));
    const wrong = { name: 'wrong', load: () => interruptibleKeys().load() };
    errors.push(await failureOf(() => oubli(world.plain, { keys: wrong })));
    const short = {
      name: 'short',
      load: async () => ({ ...(await localKeys({ file: world.keyFile }).load()), epochs: new Map() }),
    };
    errors.push(await failureOf(() => oubli(world.plain, { keys: short })));
    expect(errors[0]).to.be.instanceOf(TamperedError);
    for (const error of errors) {
      expect(found(error), String(error)).to.deep.equal([]);
      if (error instanceof OubliError) expect(error.fix).not.to.equal('');
    }
  });

  it('E8: sees one error where a value was damaged, wherever, and where it is another person’s under her name', async () => {
    const { rows } = await world.plain.raw(
      'select id, name::bytea as bytes from users where name is not null order by id',
    );
    const bytes = rows[0].bytes as Buffer;
    await world.db('users').insert({ id: 50, name: 'Bob', email: 'bob@example.org' });
    const bob = (await world.plain.raw('select name::bytea as bytes from users where id = 50')).rows[0].bytes as Buffer;
    const changed = (offset: number): Buffer => {
      const copy = Buffer.from(bytes);
      copy[offset]! ^= 1;
      return copy;
    };
    const hers = Buffer.from(bob);
    bytes.copy(hers, 8, 8, 24);
    const faces = new Set<string>();
    for (const value of [...[24, 40, 47, 48, 64, 80, bytes.length - 1].map(changed), hers]) {
      await world.plain('users').where({ id: 1 }).update({ name: value });
      const error = await failureOf(() => world.db('users').where({ id: 1 }).select('name'));
      expect(error).to.be.instanceOf(TamperedError);
      faces.add(inspect({ ...error, message: error.message, name: error.name, cause: error.cause }));
    }
    expect([...faces]).to.have.length(1);
  });
});

/** In their own memory: a copy would stand in the pool of all small buffers, which `inspect` prints with any of them. */
async function everyKey(world: World): Promise<Map<string, Buffer>> {
  const { epochs, index, ledger } = parseKeyDocument(await readFile(world.keyFile), 'the key file');
  const engine = await libsodiumEngine();
  const keys = new Map([
    ['index root', asBuffer(index)],
    ['ledger root', asBuffer(ledger)],
  ]);
  for (const [epoch, key] of epochs) keys.set(`epoch ${epoch}`, asBuffer(key));
  for (const { key_id: keyId, epoch, wrapped } of await world.plain('oubli.subject_key')) {
    const dek = unwrapKey(engine, epochs.get(epoch) as Uint8Array, wrapped, keyId, epoch);
    keys.set(`key of ${keyId.toString('hex')}`, asBuffer(dek));
  }
  return keys;
}

/** As `<Buffer 01 02>`, as `Uint8Array [ 1, 2 ]` in lines of six or more, as JSON, as the texts that people make of bytes. */
function formsOf(key: Buffer): string[] {
  const some = [...key.subarray(0, 6)];
  const pairs = some.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return [
    pairs,
    some.join(', '),
    some.join(','),
    key.toString('hex'),
    key.toString('base64'),
    key.toString('base64url'),
  ];
}

function printed(thing: unknown): string {
  const texts = [inspect(thing, { depth: 4, showHidden: true, maxArrayLength: null, compact: 100 })];
  if (thing instanceof Error) texts.push(String(thing.stack), inspect(thing.cause));
  try {
    texts.push(JSON.stringify(thing) ?? '');
  } catch {
    // circular: what it leads to was followed
  }
  return texts.join('\n').replace(/\s+/g, ' ');
}

/** Every text, and every array of bytes as `Buffer` prints them, to which properties lead; no getter is asked. */
function reached(thing: unknown): string[] {
  const texts: string[] = [];
  const seen = new Set<unknown>();
  const waiting: unknown[] = [thing];
  for (let next = waiting.pop(); waiting.length > 0 || next !== undefined; next = waiting.pop()) {
    if (typeof next === 'string') texts.push(next);
    if ((typeof next !== 'object' && typeof next !== 'function') || next === null || seen.has(next)) continue;
    seen.add(next);
    if (next instanceof Uint8Array) texts.push(Buffer.from(next).toString('hex'));
    else waiting.push(...partsOf(next));
  }
  return texts;
}

function partsOf(thing: object): unknown[] {
  const entries = thing instanceof Map ? [...thing.entries()].flat() : thing instanceof Set ? [...thing] : [];
  const descriptors = Object.values(Object.getOwnPropertyDescriptors(thing));
  const symbols = Object.getOwnPropertySymbols(thing).map(
    (symbol) => Object.getOwnPropertyDescriptor(thing, symbol)?.value,
  );
  return [Object.getPrototypeOf(thing), ...entries, ...descriptors.map(({ value }) => value), ...symbols].filter(
    (part) => part !== undefined,
  );
}
