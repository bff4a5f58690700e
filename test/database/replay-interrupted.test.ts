/**
 * Replays that were interrupted, or that meet a journal that was damaged or a database that others write to (ERASURE.md S1): a database is
 * served when everybody whom the journal names is erased again, and no sooner.
 */
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import knexPackage, { type Knex } from 'knex';
import { type Journal, localKeys, oubli, type ReplayReport, replay } from '../../src';
import { type Backup, backUp } from '../support/backup';
import { type JournalFile, makeJournalFile, Pools } from '../support/journal-file';
import { addPeople, type Person } from '../support/people';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

describe('S1: a replay that does not come to its end at once', function () {
  this.timeout(60_000);
  let outside: JournalFile;
  let file: string;
  let journal: Journal;
  let world: World;
  let backup: Backup;
  let people: Person[];
  const pools = new Pools();

  beforeEach(async () => {
    outside = await makeJournalFile();
    ({ file, journal } = outside);
    const config = { log: { warn: () => undefined } };
    world = await createWorld({ oubli: { journal }, config });
    people = await addPeople(world.db, 6, '2099-01-01');
    await erase(0);
    backup = await backUp(world.url);
  });
  afterEach(async () => {
    await pools.end();
    await world.end();
    await backup.drop();
    await outside.remove();
  });

  const connect = (): Knex => pools.connect(world.url);
  const options = (by = journal) => ({ keys: localKeys({ file: world.keyFile }), journal: by });
  const start = (by = journal) => oubli(connect(), options(by));
  const replayed = (by = journal): Promise<ReplayReport> => replay(connect(), options(by));
  const erase = (which: number) => world.subject('user', people[which]!.id).erase({ because: 'request' });
  const linesOf = async (): Promise<string[]> => (await readFile(file, 'utf8')).trimEnd().split('\n');
  const forks = async () => (await linesOf()).filter((line) => line.includes('"fork"'));
  const names = async (knex: Knex) => knex('users').whereNotNull('name').orderBy('id').pluck('name');

  class Killed extends Error {
    readonly code = 'KILLED';
  }

  /** As a process that is killed when the journal has got these lines, or was to get them. */
  function killed(at: (lines: readonly string[]) => boolean, when: 'before' | 'after' = 'after'): Journal {
    let isDead = false;
    return {
      ...journal,
      append: async (lines) => {
        const strikes = at(lines);
        if (isDead || (strikes && when === 'before')) isDead = true;
        if (isDead) throw new Killed();
        await journal.append(lines);
        isDead = strikes;
        if (isDead) throw new Killed();
      },
    };
  }
  const ofBranch = (branch: number, act: string) => (lines: readonly string[]) =>
    lines.some((line) => line.includes(`"branch":${branch}`) && line.includes(`"act":"${act}"`));

  it('S1: that was killed again and again, and began at other backups between, is ended by the last one', async () => {
    await erase(1);
    await erase(2);
    await backup.restore();
    await failureOf(() => replayed(killed(ofBranch(1, 'restored')))); // of this branch the journal knows one entry
    await backup.restore();
    await failureOf(() => replayed(killed(ofBranch(2, 'erased')))); // which stands at a position that this one has as well
    expect((await failureOf(start)).code).to.equal('RESTORE_REPLAY_REQUIRED');
    expect((await replayed()).lost).to.include({ restored: 1 });
    const { db, verifyLedger, close } = await start();
    expect((await verifyLedger()).broken).to.deep.equal([]);
    expect(await names(db)).to.deep.equal(people.slice(3).map(({ name }) => name));
    await close();
  });

  it('S1: and was interrupted, is refused however long the journal grows behind it', async () => {
    await erase(1);
    await backup.restore();
    await failureOf(() => replayed(killed(ofBranch(1, 'restored'))));
    const tail: Journal = {
      ...journal,
      read: async function* (asked) {
        // more entries than are read at start stand behind those that were lost
        for (const line of await linesOf()) if (!asked?.last || line.includes('"branch":1')) yield line;
      },
    };
    const refused = await failureOf(() => start(tail));
    expect(refused.code).to.equal('RESTORE_REPLAY_REQUIRED');
    expect(refused.message).to.contain('has not come to its end');
    await replayed();
    await (await start(tail)).close();
  });

  it('S1: and was killed between the journal and the database, knows that it is done', async () => {
    await erase(1);
    await backup.restore();
    await failureOf(() => replayed(killed((lines) => lines.some((line) => line.includes('"fork"')))));
    expect(await forks()).to.have.length(1);
    expect((await failureOf(start)).code).to.equal('RESTORE_REPLAY_REQUIRED');
    expect(await replayed()).to.deep.include({ erased: 0, lost: {} });
    expect(await forks(), 'and says so once').to.have.length(1);
    await (await start()).close();
  });

  it('S1: a later backup of the line that was given up is behind what was written since', async () => {
    await erase(1);
    const later = await laterBackup();
    await erase(2);
    await backup.restore();
    await replayed();
    const between = await start();
    await between.subject('user', people[3]!.id).erase({ because: 'between' });
    await between.close();
    await later.restore();
    expect((await failureOf(start)).code).to.equal('RESTORE_REPLAY_REQUIRED');
    expect(await replayed()).to.deep.include({ erased: 2 });
    const { db, close } = await start();
    expect(await names(db)).to.deep.equal(people.slice(4).map(({ name }) => name));
    await close();
    await later.drop();
  });

  async function laterBackup(): Promise<Backup> {
    const url = new URL(world.url);
    const kept = `${url.pathname.slice(1)}_later`;
    const server = knexPackage({
      client: 'pg',
      connection: String(Object.assign(new URL(url), { pathname: '/postgres' })),
    });
    const copy = async (from: string, to: string): Promise<void> => {
      await server.raw('select pg_terminate_backend(pid) from pg_stat_activity where datname = ?', [from]);
      await server.raw('create database ?? template ??', [to, from]);
    };
    const own = url.pathname.slice(1);
    await copy(own, kept);
    return {
      url: '',
      restore: async () => {
        await server.raw('drop database ?? with (force)', [own]);
        await copy(kept, own);
      },
      drop: async () => {
        await server.raw('drop database ?? with (force)', [kept]);
        await server.destroy();
      },
    };
  }

  describe('with a journal that was damaged', () => {
    beforeEach(async () => {
      await erase(1);
      await erase(2);
    });

    const damaged = async (how: (lines: string[], at: number) => void): Promise<void> => {
      const lines = await linesOf();
      const at = lines.findLastIndex((line) => line.includes('"act":"erased"'));
      how(lines, at);
      await writeFile(file, `${lines.join('\n')}\n`);
    };

    it('S1: is refused where a line cannot be read, and the verification says which', async () => {
      await damaged((lines, at) => {
        lines[at] = (lines[at] as string).replace('{', '\0');
      });
      const { broken } = await world.verifyLedger();
      expect(broken.map(({ what }) => what)).to.deep.equal(['unreadable', 'missing']);
      expect(broken[0]?.says).to.match(/^line \d+ of the journal/);
      await backup.restore();
      for (const attempt of [start, replayed]) {
        expect(await failureOf(attempt)).to.include({ name: 'JournalError', code: 'JOURNAL_DAMAGED' });
      }
    });

    it('S1: is refused where a line was taken away, or cut so that it looks as if it had been torn', async () => {
      const whole = await linesOf();
      const taken = (lines: string[], at: number) => void lines.splice(at, 1);
      const cut = (lines: string[], at: number) => {
        lines[at] = (lines[at] as string).slice(0, 60);
      };
      for (const how of [taken, cut]) {
        await writeFile(file, `${whole.join('\n')}\n`);
        await damaged(how);
        expect((await world.verifyLedger()).broken.map(({ what }) => what)).to.deep.equal(['missing']);
      }
      await backup.restore();
      const refused = await failureOf(replayed);
      expect(refused).to.include({ name: 'JournalError', code: 'JOURNAL_DAMAGED' });
      expect(refused.message).to.match(/lacks position \d+ of the ledger/);
    });

    it('S1: goes on where the last line was torn, by a full disk or a power failure', async () => {
      await appendFile(file, '{"branch":0,"position":99,"entry":"9');
      await appendFile(file, '\n\0\0\0\0');
      await backup.restore();
      expect(await replayed()).to.deep.include({ erased: 2 });
      const { verifyLedger, close } = await start();
      expect((await verifyLedger()).broken).to.deep.equal([]);
      await close();
    });
  });

  it('S1: of a database that others write to, and that is not behind, gives nothing up', async () => {
    let isErased = false;
    const slow: Journal = {
      ...journal,
      async *read() {
        const before = await linesOf();
        for (let lines = 0; lines < 1000; lines += before.length) yield* before; // as many as are compared at once
        if (isErased) return;
        isErased = true;
        await erase(1); // told while the journal is read
        yield* (await linesOf()).slice(before.length);
      },
    };
    expect(await replayed(slow)).to.deep.include({ lost: {}, erased: 0 });
    expect(await forks()).to.deep.equal([]);
    expect(await world.plain('oubli.ledger').whereIn('act', ['restored', 'replayed'])).to.deep.equal([]);
    expect(await world.plain('oubli.ledger_fork')).to.deep.equal([]);
  });
});
