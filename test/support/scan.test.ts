import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { needlesOf, needlesOfAddress, scan, scanText } from './scan';

describe('the byte scanner', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'oubli-scan-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const text = 'Zoé Canary@example.org';
  const needles = needlesOf('it', text);
  const surrounded = (bytes: Buffer, before = 0): Buffer =>
    Buffer.concat([Buffer.alloc(before, '#'), bytes, Buffer.from('###')]);
  const utf8 = Buffer.from(text);
  const shapes: [string, Buffer][] = [
    ['utf-8', utf8],
    ['lower case', Buffer.from(text.toLowerCase())],
    ['upper case', Buffer.from(text.toUpperCase())],
    ['utf-16le', Buffer.from(text, 'utf16le')],
    ['utf-16be', Buffer.from(text, 'utf16le').swap16()],
    ['hex', Buffer.from(utf8.toString('hex'))],
    ['base64', Buffer.from(surrounded(utf8, 0).toString('base64'))],
    ['base64 one byte on', Buffer.from(surrounded(utf8, 1).toString('base64'))],
    ['base64 two bytes on', Buffer.from(surrounded(utf8, 2).toString('base64url'))],
  ];
  for (const [shape, bytes] of shapes)
    it(`finds a text in ${shape}`, async () => {
      expect(await found(surrounded(bytes))).to.include('it');
    });

  it('finds a text that falls between two pieces of a large file', async () => {
    for (const place of [4 * 1024 * 1024 - 7, 8 * 1024 * 1024 - utf8.length, 8 * 1024 * 1024]) {
      const file = path.join(folder, 'large');
      writeFileSync(file, surrounded(utf8, place));
      const { hits, bytes } = await scan([folder], needles);
      expect(hits).to.deep.equal([{ name: 'it', form: 'utf-8', file, offset: place }]);
      expect(bytes).to.equal(place + utf8.length + 3);
    }
  });

  it('finds a text at the very end of a file, and in nothing else', async () => {
    expect(await found(utf8)).to.deep.equal(['it']);
    expect(await found(utf8.subarray(0, -1))).to.deep.equal([]);
    expect(await found(Buffer.alloc(0))).to.deep.equal([]);
  });

  it('finds an address as PostgreSQL stores it', async () => {
    const v4 = needlesOfAddress('v4', '203.0.113.77');
    expect(v4.map(({ bytes }) => bytes.toString('hex'))).to.include('0f0220cb00714d');
    const v6 = needlesOfAddress('v6', '2001:db8::1');
    expect(v6.map(({ bytes }) => bytes.toString('hex'))).to.include('27038020010db8000000000000000000000001');
  });

  it('finds a text in an answer', () => {
    expect(scanText(`{"a":"${text}"}`, needles)).to.deep.equal(['it']);
    expect(scanText('nothing', needles)).to.deep.equal([]);
  });

  async function found(content: Buffer): Promise<string[]> {
    writeFileSync(path.join(folder, 'file'), content);
    return (await scan([folder], needles)).hits.map(({ name }) => name);
  }
});
