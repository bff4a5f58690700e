/** `oubli keys` as an operator meets it, also one who is killed on the way. */
import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { type Outcome, runOubli, startOubli } from '../support/cli';
import { createWorld, type World } from '../support/world';

describe('oubli keys', function () {
  this.timeout(60_000);
  const PEOPLE = 4000;
  let world: World;
  before(async () => {
    world = await createWorld();
    const rows = Array.from({ length: PEOPLE }, (_, i) => ({ email: `p${i}@example.org`, name: `n${i}` }));
    await world.insertMany('users', rows);
  });
  after(() => world.end());

  const asked = (verb: string, ...more: string[]): string[] => [
    'keys',
    verb,
    ...more,
    '--url',
    world.url,
    '--keys',
    world.keyFile,
  ];
  const keys = (verb: string, ...more: string[]): Promise<Outcome> => runOubli(asked(verb, ...more));
  const under = async (epoch: number): Promise<number> => {
    const [row] = await world.plain('oubli.subject_key').where({ epoch }).count();
    return Number(row?.count);
  };

  it('K5: a rotation that is killed in the middle goes on where it is run again, and no key is lost', async () => {
    // somebody holds one key, so that the first rotation wraps what it can, and waits
    const holder = await world.plain.transaction();
    const [{ key_id }] = await world.plain('oubli.subject_key').orderBy('key_id').limit(1);
    await holder('oubli.subject_key').where({ key_id }).forUpdate();
    const running = startOubli(asked('rotate', '--keep', 'none'));
    while ((await under(2)) === 0) await new Promise((resolve) => setImmediate(resolve));
    await running.kill();
    await holder.rollback();
    expect(await under(1)).to.be.greaterThan(0);
    expect(await world.plain('oubli.epoch').whereNotNull('drained_at')).to.deep.equal([]);

    const outcomes = await Promise.all([keys('rotate', '--keep', '35 days'), keys('rotate', '--keep', '35 days')]);
    expect(outcomes.map(({ code, stderr }) => ({ code, stderr }))).to.deep.equal([
      { code: 0, stderr: '' },
      { code: 0, stderr: '' },
    ]);
    const newest = Math.max(...(await world.plain('oubli.epoch').pluck('id')));
    expect(await under(newest)).to.equal(PEOPLE);
    const { db } = await world.another();
    expect(new Set(await db('users').pluck('name')).size).to.equal(PEOPLE);
    const opened = await world.plain('oubli.ledger').where({ act: 'epoch opened' });
    expect(opened).to.have.length(newest - 1);
  });

  it('lists epochs without any key, with their age, their state and how many keys each wraps', async () => {
    const { stdout, code } = await runOubli(['keys', 'list', '--url', world.url]);
    expect(code).to.equal(0);
    expect(stdout).to.match(new RegExp(`^epoch \\d+: newest, 0 days old, ${PEOPLE} keys\n`));
    expect(stdout).to.match(/epoch 1: drained, 0 days old, 0 keys, to be destroyed after 20/);
    expect(stdout).to.match(/every backup can be restored\nbackups: from .* on only those taken since/);
  });

  it('destroys what was typed, and nothing for anything else; secrets are in no output and no argument', async () => {
    const document = await readFile(world.keyFile, 'utf8');
    const destroy = (input: string): Promise<Outcome> =>
      runOubli(asked('destroy', '1', '--because', 'a copy of the key file was lost'), { input });
    for (const input of ['', 'y\n', 'destroy epoch 2\n']) {
      const { code, stderr } = await destroy(input);
      expect(code).to.equal(1);
      expect(stderr).to.contain('nothing was done');
    }
    expect(await readFile(world.keyFile, 'utf8')).to.equal(document);
    const done = await destroy('destroy epoch 1\n');
    expect(done).to.include({ code: 0, stderr: '' });
    expect(done.stdout).to.contain('no backup from before').and.to.contain('epoch 1: its key is destroyed');
    const { epochs, index, ledger } = JSON.parse(document);
    expect(Object.keys(JSON.parse(await readFile(world.keyFile, 'utf8')).epochs)).not.to.include('1');
    for (const secret of [...Object.values(epochs), index, ledger]) expect(done.stdout).not.to.contain(secret);
    expect((await runOubli(['keys', 'list', '--url', world.url])).stdout).to.match(
      /epoch 1: destroyed, .* gone since 20.*not proven/,
    );
    expect((await keys('rotate', '--keep', 'three days')).stderr).to.contain(`'three days' is no period`);
  });

  it('replaces what a compromised epoch opens, killed or not, when its name was typed', async () => {
    const compromised = (input: string): Promise<Outcome> =>
      runOubli(asked('compromised', '1', '--because', 'the key file was in a public repository'), { input });
    const before = new Set((await world.plain('oubli.subject_key').pluck('key_id')).map((key) => key.toString('hex')));
    expect((await compromised('destroy epoch 1\n')).stderr).to.contain('nothing was done');
    expect(await world.plain('oubli.epoch').whereNotNull('compromised_at')).to.deep.equal([]);
    const done = await compromised('reseal epoch 1\n');
    expect(done).to.include({ code: 0, stderr: '' });
    expect(done.stdout).to.contain(`${PEOPLE} keys replaced, ${PEOPLE} rows sealed anew, ${PEOPLE} old keys destroyed`);
    const after = (await world.plain('oubli.subject_key').pluck('key_id')).map((key) => key.toString('hex'));
    expect(after.filter((key) => before.has(key))).to.deep.equal([]);
    expect((await compromised('')).stdout).to.contain('0 keys replaced, 0 rows sealed anew');
    expect((await runOubli(['keys', 'list', '--url', world.url])).stdout).to.match(
      /epoch 1: .*, compromised since .*: sealed anew by/,
    );
  });

  it('K9: tells whether keys are those of this database', async () => {
    expect((await keys('canary')).stdout).to.contain('the keys of this database');
    const another = `${world.keyFile}.other`;
    await runOubli(['keys', 'generate', '--out', another]);
    const { code, stderr } = await runOubli(['keys', 'canary', '--url', world.url, '--keys', another]);
    expect(code).to.equal(1);
    expect(stderr).to.match(/epoch \d+/);
  });
});
