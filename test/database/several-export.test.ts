/** An export gives what is hers, in whatever place of a row, and nothing of the others in it (ERASURE.md G3). */
import { expect } from 'chai';
import type { Manifest } from '../../src';
import { addCorrespondents, migrateCorrespondence } from '../support/correspondence';
import { createWorld, type World } from '../support/world';
import { unzip } from '../support/zip';

describe('An export of somebody in rows of several people', () => {
  let world: World;
  before(async () => {
    world = await createWorld({ migrate: migrateCorrespondence });
    await addCorrespondents(world.db);
    const row = (id: number, sender_id: number, recipient_id: number) => ({
      id,
      sender_id,
      recipient_id,
      clerk_id: 1,
      body: `body of ${sender_id}`,
      reply: `reply of ${recipient_id}`,
      reply_pen: `pen ${recipient_id}`,
      mood: `mood of ${recipient_id}`,
      verdict: 'verdict of Zoe',
    });
    await world.db('messages').insert([row(1, 1, 2), row(2, 2, 1), row(3, 1, 1), row(4, 2, 3)]);
  });
  after(() => world.end());

  const exported = async (kind: string, id: number): Promise<Map<string, Buffer>> =>
    unzip(await world.subject(kind, id).export({ profile: 'portability' }));
  const rowsOf = (files: Map<string, Buffer>): Record<string, unknown>[] => JSON.parse(`${files.get('messages.json')}`);

  it('G3: has her own columns, also of rows where she is only a column’s subject, and null for the others', async () => {
    const files = await exported('user', 1);
    const rows = rowsOf(files).map(({ reply_pen, ...row }) => ({ ...row, pen: typeof reply_pen }));
    expect(rows).to.deep.equal([
      { body: 'body of 1', reply: null, mood: null, verdict: null, pen: 'object' },
      { body: null, reply: 'reply of 1', mood: 'mood of 1', verdict: null, pen: 'string' },
      { body: 'body of 1', reply: 'reply of 1', mood: 'mood of 1', verdict: null, pen: 'string' },
    ]);
    for (const file of files.values()) expect(`${file}`).not.to.match(/of (2|3|Zoe)/);
    expect(`${files.get('messages.csv')}`.split('\r\n')[1]).to.equal('body of 1,,,,');
  });

  it('G3: says in the manifest what is left out, and why', async () => {
    const files = await exported('user', 1);
    const manifest: Manifest = JSON.parse(`${files.get('manifest.json')}`);
    const of = (table: string) => manifest.files.filter((file) => file.table === table);
    for (const file of of('messages')) {
      expect(file.rows).to.equal(3);
      expect(file.redacted).to.deep.equal({
        columns: ['body', 'reply', 'reply_pen', 'mood', 'verdict'],
        because: 'null where it is about another person (GDPR Art. 20(4))',
      });
    }
    expect(of('messages')).to.have.length(2);
    for (const file of of('users')) expect(file).not.to.have.property('redacted');
  });

  it('G3: is made for people of each kind that columns are about', async () => {
    const files = await exported('clerk', 1);
    expect(rowsOf(files).map(({ verdict, body, reply }) => [verdict, body, reply])).to.deep.equal(
      Array(4).fill(['verdict of Zoe', null, null]),
    );
  });
});
