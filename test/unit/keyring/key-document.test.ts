/** The keys of an installation are refused before anything runs, when they are not what they should be (ENVELOPE.md K9). */
import { expect } from 'chai';
import { ConfigurationError } from '../../../src';
import { newKeyDocument, parseKeyDocument, withEpoch, withoutEpoch } from '../../../src/keyring/key-document';
import { currentEpoch } from '../../../src/keyring/provider';
import { SecretJson } from '../../../src/keyring/secret-json';

const key = (byte: number, length = 32): string => Buffer.alloc(length, byte).toString('base64');
const document = (over: object = {}): string =>
  JSON.stringify({ oubli: 1, epochs: { 1: key(1) }, index: key(2), ledger: key(3), ...over });

function refusalOf(text: string): ConfigurationError {
  try {
    parseKeyDocument(text, 'file test.keys');
  } catch (error) {
    if (error instanceof ConfigurationError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('A key document', () => {
  it('that was just made is read again', () => {
    const keys = parseKeyDocument(newKeyDocument(), 'test');
    expect([keys.epochs.size, keys.epochs.get(1)?.length, keys.index.length, keys.ledger.length]).to.deep.equal([
      1, 32, 32, 32,
    ]);
  });

  it('may hold several epochs, of which the highest number wraps new keys, whatever the order', () => {
    const keys = parseKeyDocument(document({ epochs: { 10: key(4), 2: key(5), 9: key(6) } }), 'test');
    expect([...keys.epochs.keys()].sort((a, b) => a - b)).to.deep.equal([2, 9, 10]);
    expect(currentEpoch(keys)).to.equal(10);
  });

  for (const [sentence, text] of [
    ['is empty', ''],
    ['is no JSON', `{ "epochs": ${key(1)}`],
    ['is a list', '[]'],
    ['is null', 'null'],
    ['names no format', JSON.stringify({ epochs: { 1: key(1) }, index: key(2), ledger: key(3) })],
    ['is of a later format', document({ oubli: 2 })],
    ['has no epoch', document({ epochs: {} })],
    ['has epochs in a list', document({ epochs: [key(1)] })],
    ['has an epoch without a number', document({ epochs: { first: key(1) } })],
    ['has an epoch 0', document({ epochs: { 0: key(1) } })],
  ] as const) {
    it(`that ${sentence} is refused, and nothing of it is quoted`, () => {
      const error = refusalOf(text);
      expect(error.code).to.equal('KEY_DOCUMENT');
      expect(error.message).to.contain('file test.keys');
      expect(error.fix).to.contain('npx oubli keys generate');
      expect(error.cause).to.equal(undefined);
      expect(`${error.stack}${JSON.stringify(error)}`).not.to.contain(key(1));
    });
  }

  for (const [role, over] of [
    ['epoch 1', (bytes: string) => ({ epochs: { 1: bytes } })],
    ['epoch 2', (bytes: string) => ({ epochs: { 1: key(1), 2: bytes } })],
    ['index', (bytes: string) => ({ index: bytes })],
    ['ledger', (bytes: string) => ({ ledger: bytes })],
  ] as const) {
    it(`is refused for a key of the wrong length, naming ${role}`, () => {
      for (const bytes of [key(7, 31), key(7, 33), key(7, 16), '', 'not base64 at all!']) {
        const error = refusalOf(document(over(bytes)));
        expect(error.code).to.equal('KEY_INVALID');
        expect(error.message).to.contain(`the ${role} key is not 32 bytes`);
        if (bytes !== '') expect(error.message).not.to.contain(bytes);
      }
    });

    it(`is refused for a key that is all zero, naming ${role}`, () => {
      const error = refusalOf(document(over(key(0))));
      expect(error.code).to.equal('KEY_INVALID');
      expect(error.message).to.contain(`the ${role} key is all zero`);
    });
  }

  for (const [roles, over] of [
    ['ledger key is also the key of index', { ledger: key(2) }],
    ['epoch 1 key is also the key of index', { epochs: { 1: key(2) } }],
    ['epoch 1 key is also the key of ledger', { epochs: { 1: key(3) } }],
    ['epoch 2 key is also the key of epoch 1', { epochs: { 1: key(1), 2: key(1) } }],
  ] as const) {
    it(`is refused for one key in two roles: the ${roles}`, () => {
      const error = refusalOf(document(over));
      expect(error.code).to.equal('KEY_INVALID');
      expect(error.message).to.contain(roles);
      expect(error.message).not.to.match(/[A-Za-z0-9+/]{40}/);
    });
  }

  it('is refused for a key with a slip of the pen, which would be read as another key', () => {
    const padded = `${key(5).slice(0, -1)}!=`;
    expect(refusalOf(document({ index: padded })).code).to.equal('KEY_INVALID');
    expect(refusalOf(document({ index: ` ${key(5)}` })).code).to.equal('KEY_INVALID');
  });
});

describe('A key document is changed as bytes', () => {
  const own = Buffer.from(document({ note: 'keep me, I am longer than a name', short: 'me too' }));
  const parsed = (bytes: Buffer): Record<string, unknown> => JSON.parse(String(bytes));

  it('with an epoch more or less, and nothing else of it is', () => {
    const two = withEpoch(own, 2, 'test');
    const { epochs, ...others } = parsed(two);
    expect(others).to.deep.equal({
      ...{ oubli: 1, index: key(2), ledger: key(3) },
      ...{ note: 'keep me, I am longer than a name', short: 'me too' },
    });
    expect(Object.keys(epochs as object)).to.deep.equal(['1', '2']);
    expect((epochs as Record<number, string>)[1]).to.equal(key(1));
    expect(parseKeyDocument(two, 'test').epochs.get(2)).to.have.length(32);
    expect(Object.keys(parsed(withoutEpoch(two, 1, 'test')).epochs as object)).to.deep.equal(['2']);
  });

  it('and stays what it is where nothing is to be changed', () => {
    expect(withEpoch(own, 1, 'test')).to.equal(own);
    expect(withoutEpoch(own, 7, 'test')).to.equal(own);
  });

  it('may have its strokes escaped, as PHP writes them', () => {
    const strokes = Buffer.from(new Uint8Array(32).fill(0xff)).toString('base64');
    expect(strokes).to.contain('/');
    const written = document({ index: strokes }).replaceAll('/', '\\/');
    expect([...parseKeyDocument(written, 'test').index]).to.deep.equal(Array(32).fill(0xff));
    expect(parsed(withEpoch(Buffer.from(written), 2, 'test')).index).to.equal(strokes);
  });

  it('K10: its keys are overwritten where they are no longer needed', () => {
    const bytes = Buffer.from(own);
    const json = new SecretJson(bytes);
    const index = json.textOf((json.value as { index: string }).index) as Uint8Array;
    expect(Buffer.from(index).toString()).to.equal(key(2));
    expect(JSON.stringify(json.value)).not.to.contain(key(2).slice(0, 8));
    json.wipe();
    expect([...index]).to.deep.equal(Array(44).fill(0));
    expect(bytes.equals(own), 'what it was read from is the caller’s').to.equal(true);
  });

  it('is none of ours where it has the character that stands for what was left out', () => {
    const error = refusalOf(document({ note: '\ue0000\ue000' }));
    expect(error.code).to.equal('KEY_DOCUMENT');
  });
});
