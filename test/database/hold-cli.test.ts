/** `oubli hold` as an operator meets it. */
import { expect } from 'chai';
import { type Outcome, runOubli } from '../support/cli';
import { addPerson } from '../support/people';
import { createWorld, type World } from '../support/world';

describe('oubli hold', function () {
  this.timeout(60_000);
  let world: World;
  before(async () => {
    world = await createWorld();
    await addPerson(world.db, 1);
  });
  after(() => world.end());
  const hold = (...args: string[]): Promise<Outcome> =>
    runOubli(['hold', ...args, '--url', world.url, '--keys', world.keyFile]);

  it('H1: opens a case, places it on a person and on rows, lists and releases it', async () => {
    expect(await hold('open', 'case 1', '--ground', 'audit', '--until', '2999-12-31')).to.include({
      code: 0,
      stdout: 'opened case 1; it holds nothing yet\n',
    });
    expect(await hold('place', 'case 1', '--subject', 'user:1')).to.include({ stdout: 'case 1 holds 1 more person\n' });
    expect(await hold('place', 'case 1', '--table', 'invoices', '--rows', '1,2')).to.include({
      stdout: 'case 1 holds 2 more rows of invoices\n',
    });
    expect((await hold('list')).stdout).to.equal('case 1: 1 people, 2 rows, until 2999-12-31  (audit)\n');
    expect((await hold('release', 'case 1', '--because', 'passed')).stdout).to.equal(
      'released case 1: it held 1 people and 2 rows\n',
    );
    expect((await hold('list')).stdout).to.equal('nothing is held\n');
  });

  it('H1: says what is wrong, and exits with 1', async () => {
    const unknown = await hold('release', 'case 7', '--because', 'x');
    expect(unknown.code).to.equal(1);
    expect(unknown.stderr).to.contain(`there is no open case 'case 7'`).and.to.contain('fix: await holds.open');
    const both = await hold('place', 'case 1', '--subject', 'user:1', '--table', 'invoices');
    expect(both.code).to.equal(1);
    expect(both.stderr).to.contain('give one of');
  });
});
