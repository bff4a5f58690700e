import { createHash } from 'node:crypto';
import { expect } from 'chai';
import type { Manifest } from '../../src';
import { addPerson, type Person } from '../support/people';
import { createWorld, type World } from '../support/world';
import { unzip } from '../support/zip';

/** Promise P12 (article 5.2): a person receives what she provided in an open, readable format, on the basis of consent or contract. */
describe('P12: a person takes her data along', () => {
  let world: World;
  let ada: Person;
  let files: Map<string, Buffer>;
  let manifest: Manifest;

  before(async () => {
    world = await createWorld();
    ada = await addPerson(world.db, 1);
    await addPerson(world.db, 2);
    files = await unzip(await world.subject('user', ada.id).export({ profile: 'portability' }));
    manifest = JSON.parse(String(files.get('manifest.json')));
  });
  after(() => world.end());

  const table = (name: string) => JSON.parse(String(files.get(`${name}.json`)));

  it('in formats that any program reads: a ZIP of JSON and of CSV', () => {
    expect([...files.keys()].sort()).to.deep.equal(
      ['contracts', 'notes', 'users', 'visits']
        .flatMap((name) => [`${name}.csv`, `${name}.json`])
        .concat('manifest.json')
        .sort(),
    );
    expect(String(files.get('contracts.csv'))).to.equal(`signatory\r\n${ada.name}\r\n`);
  });

  it('readable, although it is stored encrypted', () => {
    expect(table('users')[0]).to.include({
      name: ada.name,
      email: ada.email,
      birth_date: '1980-02-29',
      nickname: 'nick1',
    });
    expect(table('notes')).to.deep.equal([{ body: `called ${ada.name}` }]);
  });

  it('with what was observed of her use of the service, as it is held: IP addresses shortened', () => {
    for (const { ip } of table('visits')) expect(ip).to.match(/(\.0|::)$/);
  });

  it('without what is kept because the law says so: an invoice is not hers to take', () => {
    expect([...files.keys()].join()).not.to.contain('invoices');
  });

  it('without anything of anybody else', () => {
    for (const [path, content] of files) expect(String(content), path).not.to.contain('nick2');
    expect(table('users')).to.have.length(1);
    expect(table('visits')).to.have.length(2);
  });

  it('with a list that says of each column what it is, where it came from, what for, and on what ground', () => {
    const email = manifest.files.flatMap(({ columns }) => columns).find(({ name }) => name === 'email');
    expect(email).to.deep.equal({
      name: 'email',
      category: 'contact.email',
      origin: 'provided',
      purpose: 'provide the service',
      basis: 'contract',
    });
    for (const { columns } of manifest.files) {
      for (const { origin, basis } of columns) {
        expect(['provided', 'observed']).to.include(origin);
        expect(['consent', 'contract']).to.include(basis);
      }
    }
  });

  it('whole: each file has the checksum and the number of rows that the list says', () => {
    for (const { path, sha256 } of manifest.files) {
      expect(createHash('sha256').update(files.get(path)!).digest('hex')).to.equal(sha256);
    }
  });

  it('and the register says that it was handed over, without repeating what was in it', async () => {
    const [entry] = await world.plain('oubli.ledger').where({ act: 'exported' });
    expect(entry.details.files).to.deep.equal(manifest.files);
    expect(JSON.stringify(entry)).not.to.contain(ada.name).and.not.to.contain(ada.email);
  });
});
