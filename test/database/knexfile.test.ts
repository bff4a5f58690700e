/** `npx oubli --knexfile … --env …`: the database of the application's own migrations, whatever its knexfile is written in. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { type Outcome, runOubli } from '../support/cli';
import { createWorld, type World } from '../support/world';

const repository = path.join(__dirname, '..', '..');

describe('A knexfile on the command line', function () {
  this.timeout(60_000);
  let world: World;
  let folder: string;
  before(async () => {
    world = await createWorld();
    await world.db.raw('alter table products add column sold_out boolean');
    await world.db.raw('create table order_lines (id serial primary key, unit_price int, _hidden int)');
    folder = mkdtempSync(path.join(tmpdir(), 'oubli-knexfile-'));
    symlinkSync(path.join(repository, 'node_modules'), path.join(folder, 'node_modules'));
    mkdirSync(path.join(folder, 'db'));
    writeFileSync(path.join(folder, 'db', 'address.txt'), world.url);
  });
  after(async () => {
    rmSync(folder, { recursive: true, force: true });
    await world.end();
  });

  const run = (args: string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> =>
    runOubli(args, { cwd: folder, env: { NODE_ENV: '', ...env } });
  const write = (name: string, text: string): string => {
    writeFileSync(path.join(folder, name), text);
    return name;
  };
  const address = `require('node:fs').readFileSync('address.txt', 'utf8')`;

  const files: [says: string, name: string, text: string, args: string[], env?: NodeJS.ProcessEnv][] = [
    [
      'of one database, read where it stands',
      'db/a.js',
      `module.exports = { client: 'pg', connection: ${address} };`,
      [],
    ],
    [
      'of several environments',
      'db/b.cjs',
      `module.exports = { development: { client: 'none' }, production: { client: 'pg', connection: ${address} } };`,
      ['--env', 'production'],
    ],
    [
      'whose environment NODE_ENV says',
      'db/c.js',
      `module.exports = { staging: { client: 'pg', connection: async () => ({ connectionString: ${address} }) } };`,
      [],
      { NODE_ENV: 'staging' },
    ],
    [
      'that is a function',
      'db/d.js',
      `module.exports = async () => ({ development: { client: 'pg', connection: ${address} } });`,
      [],
    ],
    [
      'that is an ES module',
      'db/e.mjs',
      `import { readFile } from 'node:fs/promises';
       export default { client: 'postgresql', connection: await readFile('address.txt', 'utf8') };`,
      [],
    ],
    [
      'that is TypeScript, with the client of oubli',
      'db/f.ts',
      `import { readFileSync } from 'node:fs';
       import { AnnotatingClient } from ${JSON.stringify(path.join(repository, 'src'))};
       const connection: string = readFileSync('address.txt', 'utf8');
       export default { production: { client: AnnotatingClient, connection } };`,
      ['--env', 'production'],
    ],
  ];
  for (const [says, name, text, args, env] of files) {
    it(`is read: one ${says}`, async () => {
      const { code, stdout, stderr } = await run(['check', '--knexfile', write(name, text), ...args], env);
      expect([code, stderr]).to.deep.equal([0, '']);
      expect(stdout).to.contain('every column of every personal table is declared');
    });
  }

  it('is taken by the verbs that need keys, with the file of keys from where the command was given', async () => {
    const knexfile = write(
      'db/g.js',
      `module.exports = { client: 'pg', connection: ${address}, searchPath: ['public'] };`,
    );
    const { code, stderr } = await run(['backfill', 'users', '--knexfile', knexfile, '--keys', world.keyFile]);
    expect(code).to.equal(1);
    expect(stderr).to.match(/^oubli: users: no column of it waits to be sealed/m);
  });

  const refused: [says: string, args: string[], text: RegExp][] = [
    [
      'one that is not there',
      ['--knexfile', 'nowhere.js'],
      /^oubli: there is no file nowhere\.js\n {2}fix: --knexfile/,
    ],
    [
      'an environment that is not there',
      ['--knexfile', 'envs.js', '--env', 'prod'],
      /^oubli: envs\.js has no environment 'prod', .* it has: development, production\n {2}fix: --knexfile envs\.js --env development/,
    ],
    [
      'a URL beside it',
      ['--knexfile', 'envs.js', '--url', 'postgres://x'],
      /^oubli: which database\? Both --url and --knexfile/,
    ],
    ['an environment of none', ['--env', 'production'], /^oubli: --env production names an environment of a knexfile/],
    ['another database', ['--knexfile', 'mysql.js'], /^oubli: .*\n {2}fix: /],
    [
      'TypeScript that nothing reads',
      ['--knexfile', 'esm.mts'],
      /^oubli: esm\.mts is TypeScript, and nothing here reads/,
    ],
  ];
  for (const [says, args, text] of refused) {
    it(`is refused, and said so: ${says}`, async () => {
      write('envs.js', `module.exports = { development: { client: 'pg' }, production: { client: 'pg' } };`);
      write('mysql.js', `module.exports = { client: 'better-sqlite3', useNullAsDefault: true };`);
      write('esm.mts', `export default { client: 'pg' as const };`);
      const { code, stdout, stderr } = await run(['check', ...args]);
      expect([code, stdout]).to.deep.equal([1, '']);
      expect(stderr).to.match(text);
    });
  }

  it('that throws is shown as Node shows it', async () => {
    const { code, stderr } = await run([
      'check',
      '--knexfile',
      write('broken.js', `throw new Error('no vault today');`),
    ]);
    expect(code).to.equal(1);
    expect(stderr).to.contain('no vault today').and.to.contain('broken.js:1');
  });

  describe('with a mapper', () => {
    const names = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await run(['types', ...args]);
      expect([code, stderr]).to.deep.equal([0, '']);
      return stdout;
    };

    it('gives the row types the names that the application writes', async () => {
      const knexfile = write(
        'db/mapped.js',
        `const { knexSnakeCaseMappers } = require('objection');
         module.exports = { client: 'pg', connection: ${address}, ...knexSnakeCaseMappers() };`,
      );
      const text = await names('--knexfile', knexfile);
      expect(text).to.contain('  birthDate: Date | null;\n').and.to.contain('  soldOut: boolean | null;\n');
      expect(text).to.match(/^ {4}users: Protected<UsersRow, "name" \| "email" \| "birthDate", /m);
      expect(text).to.match(/^ {4}orderLines: Protected<OrderLinesRow, never, /m);
      expect(text).not.to.match(/birth_date|order_lines/);
      expect(await names('--camel-case', '--url', world.url)).to.equal(text);
    });

    it('that only writes otherwise leaves the names of the rows, which come as the database has them', async () => {
      const wrap = `(name, origin) => origin(name === '*' ? name : name.replace(/[A-Z]/g, (c) => '_' + c.toLowerCase()))`;
      const knexfile = write(
        'db/half.js',
        `module.exports = { client: 'pg', connection: ${address}, wrapIdentifier: ${wrap} };`,
      );
      const text = await names('--knexfile', knexfile, 'order_lines');
      expect(text)
        .to.contain('  unit_price: number | null;\n')
        .and.to.match(/^ {4}order_lines: /m);
    });
  });
});
