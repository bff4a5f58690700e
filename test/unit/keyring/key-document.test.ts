/** The keys of an installation are refused before anything runs, when they are not what they should be (ENVELOPE.md K9). */
import { expect } from 'chai';
import { ConfigurationError } from '../../../src';
import { newKeyDocument, parseKeyDocument } from '../../../src/keyring/key-document';
import { currentEpoch } from '../../../src/keyring/provider';

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
