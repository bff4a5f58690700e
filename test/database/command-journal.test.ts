import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import type { Command } from 'commander';
import knexPackage, { type Knex } from 'knex';
import { type Journal, localKeys, oubli } from '../../src';
import { applyVerb } from '../../src/cli/apply';
import { archiveVerb } from '../../src/cli/archive';
import { backfillVerb } from '../../src/cli/backfill';
import { certificateVerb } from '../../src/cli/certificate';
import { drillVerb } from '../../src/cli/drill';
import { holdVerb } from '../../src/cli/hold';
import { ledgerVerb } from '../../src/cli/ledger';
import { planVerb } from '../../src/cli/plan';
import { replayVerb } from '../../src/cli/replay';
import { sweepVerb } from '../../src/cli/sweep';
import { unprotectVerb } from '../../src/cli/unprotect';
import { vacuumVerb } from '../../src/cli/vacuum';
import { addInvoiced, anotherDatabase, migrateElsewhere } from '../support/archive';
import { backUp } from '../support/backup';
import { type Outcome, runOubli } from '../support/cli';
import { type JournalFile, makeJournalFile } from '../support/journal-file';
import { addPeople, type Person } from '../support/people';
import { expectFix, refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

describe('S1: a database that remembers its journal', function () {
  this.timeout(60_000);
  let outside: JournalFile;
  let file: string;
  let journal: Journal;
  let world: World;
  let people: Person[];
  beforeEach(async () => {
    outside = await makeJournalFile();
    ({ file, journal } = outside);
  });
  afterEach(async () => {
    await world.end();
    await outside.remove();
  });
  const begin = async (): Promise<void> => {
    world = await createWorld({ oubli: { journal } });
    people = await addPeople(world.db, 2, '2020-01-01');
  };
  const connect = (): Knex => knexPackage({ client: 'pg', connection: world.url, pool: { min: 0, max: 2 } });
  const run = (args: string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> =>
    runOubli([...args, '--keys', world.keyFile], { env: { DATABASE_URL: world.url, ...env } });
  const actsIn = async (): Promise<string[]> =>
    (await readFile(file, 'utf8'))
      .trimEnd()
      .split('\n')
      .flatMap((line) => JSON.parse(line).act ?? []);

  it('S1: is not opened without it, and the refusal says which it is', async () => {
    await begin();
    const knex = connect();
    const refused = await refusalOf(() => oubli(knex, { keys: localKeys({ file: world.keyFile }) }));
    expect(refused).to.include({ name: 'ConfigurationError', code: 'JOURNAL_NOT_GIVEN' });
    expectFix(refused, new RegExp(`fileJournal\\(\\{ file: '${file}' \\}\\).*--journal ${file}`));
    await knex.destroy();
  });

  it('S1: takes no entry of a process that was started before there was one', async () => {
    world = await createWorld();
    people = await addPeople(world.db, 2, '2099-01-01');
    await world.another({ journal });
    const refused = await refusalOf(() => world.subject('user', people[0]!.id).erase({ because: 'request' }));
    expect(refused).to.include({ code: 'JOURNAL_NOT_GIVEN' });
    expect(await world.plain('oubli.ledger')).to.deep.equal([]);
    expect(await world.plain('users').whereNull('name')).to.deep.equal([]);
  });

  it('S1: is swept by the command with it only, named by option or environment, and the journal is told', async () => {
    await begin();
    const without = await run(['sweep']);
    expect(without).to.include({ code: 1, stdout: '' });
    expect(without.stderr).to.contain(`--journal ${file}`);
    const swept = await run(['sweep'], { OUBLI_JOURNAL: file });
    expect(swept).to.include({ code: 0, stderr: '' });
    expect(swept.stdout).to.contain('subject:user: 2 gone');
    expect((await actsIn()).filter((act) => act === 'erased')).to.have.length(2);
    const held = await run(['hold', 'open', 'case 1', '--ground', 'lawsuit', '--journal', file]);
    expect(held).to.include({ code: 0, stderr: '' });
    expect((await actsIn()).at(-1)).to.equal('hold opened');
  });

  it('S1: is not worked on by the command when it was restored, and its ledger is verified all the same', async () => {
    await begin();
    const backup = await backUp(world.url);
    await world.subject('user', people[0]!.id).erase({ because: 'request' });
    await backup.restore();
    const swept = await run(['sweep', '--journal', file]);
    expect(swept).to.include({ code: 1, stdout: '' });
    expect(swept.stderr).to.contain(`npx oubli replay --journal ${file}`);
    const verified = await run(['ledger', 'verify', '--journal', file]);
    expect(verified).to.include({ code: 1, stderr: '' });
    expect(verified.stdout).to.contain('as the journal was told is gone');
    await backup.drop();
  });

  it('R1: archives elsewhere are reached by every verb, their address from the environment', async () => {
    world = await createWorld({ migrate: migrateElsewhere });
    const other = await anotherDatabase();
    const ada = await addInvoiced(world.db, 'Adalgisa', 2);
    await world.subject('user', ada).erase({ because: 'request' });
    expect(await other.plain('oubli_archive.archived_row')).to.deep.equal([]);
    expect(await run(['sweep'], { OUBLI_ARCHIVE_URL: other.url })).to.include({ code: 0, stderr: '' });
    expect(await other.plain('oubli_archive.archived_row')).to.have.length(2);
    await other.end();
  });
});

describe('Commands', () => {
  it('take keys, journal and archive wherever they open an instance', () => {
    const verbs = [
      ...[applyVerb, archiveVerb, backfillVerb, certificateVerb, drillVerb, holdVerb, ledgerVerb],
      ...[planVerb, replayVerb, sweepVerb, unprotectVerb, vacuumVerb],
    ].flatMap((verb) => leavesOf(verb()));
    const withoutInstance = ['export', 'verify']; // of the ledger, and of a certificate
    for (const verb of verbs) {
      const options = verb.options.map(({ long }) => long);
      if (!options.includes('--keys')) expect(withoutInstance).to.include(verb.name());
      else expect(options, verb.name()).to.include.members(['--journal', '--archive-url', '--key-store-url']);
    }
    expect(verbs.length).to.be.greaterThan(15);
  });
});

function leavesOf(verb: Command): Command[] {
  return verb.commands.length === 0 ? [verb] : verb.commands.flatMap(leavesOf);
}
