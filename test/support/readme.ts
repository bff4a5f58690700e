/**
 * The README as a program: its code blocks as files of a small ES module project, where `oubli` is this source. A line that
 * ends in `// → value` claims a result, one that ends in `// ✘ CODE` a refusal; both become assertions.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { transformSync } from '@swc/core';
import * as door from '../../src';
import * as testingDoor from '../../src/testing';

export const REPOSITORY = path.join(__dirname, '..', '..');

export interface Block {
  readonly language: string;
  readonly text: string;
  /** Line of the README, for whoever has to mend it. */
  readonly line: number;
  /** Said not to be executed, by a comment before it: `<!-- type-only -->`. */
  readonly isTypeOnly: boolean;
}

export type Step =
  | { readonly is: 'shell' | 'sql'; readonly text: string; readonly line: number }
  | { readonly is: 'file'; readonly name: string; readonly text: string; readonly line: number };

export function readReadme(): string {
  return readFileSync(path.join(REPOSITORY, 'README.md'), 'utf8');
}

/** The pages among the examples, whose blocks go on where the README's ended. */
export function readGuides(): string[] {
  const folder = path.join(REPOSITORY, 'examples');
  const pages = readdirSync(folder).filter((file) => file.endsWith('.md'));
  return pages.map((page) => readFileSync(path.join(folder, page), 'utf8'));
}

export function blocksOf(markdown: string): Block[] {
  const fences = markdown.matchAll(/(?<mark><!-- type-only -->\n+)?^```(?<language>\w*)\n(?<text>.*?)^```$/gms);
  return [...fences].map(({ groups, index }) => ({
    language: groups?.language ?? '',
    text: groups?.text ?? '',
    line: markdown.slice(0, index).split('\n').length,
    isTypeOnly: groups?.mark !== undefined,
  }));
}

/** What a reader does from top to bottom; a file in several blocks is run when it is complete. */
export function stepsOf(blocks: readonly Block[]): Step[] {
  const steps: Step[] = [];
  for (const { language, text, line, isTypeOnly } of blocks) {
    if (isTypeOnly) continue;
    if (language === 'sh') steps.push({ is: 'shell', text, line });
    else if (language === 'sql') steps.push({ is: 'sql', text, line });
    else if (language === 'ts') addFile(steps, text, line);
    else throw new Error(`README line ${line}: nobody knows how to run a block of '${language}'`);
  }
  return steps;
}

function addFile(steps: Step[], text: string, line: number): void {
  const [, name, continued] = /^\/\/ ([\w./-]+\.ts)(, continued)?\n/.exec(text) ?? [];
  if (!name) throw new Error(`README line ${line}: a block of TypeScript begins with the name of its file`);
  const begun = steps.findIndex((step) => step.is === 'file' && step.name === name);
  if (begun >= 0 !== (continued !== undefined))
    throw new Error(`README line ${line}: '${name}' begins twice, or never`);
  const [first] = begun < 0 ? [] : steps.splice(begun, 1);
  steps.push({ is: 'file', name, text: first ? `${first.text}\n${text}` : text, line });
}

const TYPED = 'typed';

/** A folder in which the README's files are a project of its reader's. */
export class ReadersProject {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'oubli-readme-'));

  constructor() {
    this.write('package.json', JSON.stringify({ type: 'module' }));
    for (const folder of ['migrations', TYPED, `${TYPED}/migrations`]) mkdirSync(path.join(this.folder, folder));
    const modules = path.join(this.folder, 'node_modules');
    mkdirSync(modules);
    for (const name of ['knex', 'pg']) symlinkSync(installed(name), path.join(modules, name));
    this.addModule('oubli', {
      index: reExported('src/index.ts', door),
      testing: reExported('src/testing.ts', testingDoor),
    });
    this.addModule('pg-boss', { index: KNOWN_BOSSES });
  }

  /** What runs, and apart from it the TypeScript, which the Knex command would take for more migrations. */
  add(name: string, text: string): void {
    this.write(`${TYPED}/${name}`, text);
    this.write(name.replace(/\.ts$/, '.js'), compiled(text));
  }

  async run(name: string): Promise<Record<string, unknown>> {
    return import(pathToFileURL(path.join(this.folder, name.replace(/\.ts$/, '.js'))).href);
  }

  /** The compiler options of a strict project of today. */
  writeTsconfig(): string {
    const compilerOptions = {
      target: 'ES2022',
      module: 'nodenext',
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      types: ['node'],
      typeRoots: [path.join(REPOSITORY, 'node_modules', '@types')],
      paths: {
        oubli: [path.join(REPOSITORY, 'src', 'index.ts')],
        'oubli/testing': [path.join(REPOSITORY, 'src', 'testing.ts')],
        'pg-boss': [path.join(installed('pg-boss'), 'dist', 'index.d.ts')],
      },
    };
    this.write(
      'tsconfig.json',
      JSON.stringify({ compilerOptions, include: [`${TYPED}/**/*.ts`, path.join(REPOSITORY, 'src', '**', '*.d.ts')] }),
    );
    return path.join(this.folder, 'tsconfig.json');
  }

  private addModule(name: string, files: Readonly<Record<string, string>>): void {
    const folder = `node_modules/${name}`;
    mkdirSync(path.join(this.folder, folder), { recursive: true });
    const exports = { '.': './index.js', './*': './*.js' };
    this.write(`${folder}/package.json`, JSON.stringify({ name, type: 'module', exports }));
    for (const [file, text] of Object.entries(files)) this.write(`${folder}/${file}.js`, text);
  }

  private write(name: string, text: string): void {
    writeFileSync(path.join(this.folder, name), text);
  }
}

/** pg-boss, whose instances the test knows: one that runs on after its file failed would keep the process alive. */
const KNOWN_BOSSES = `import { PgBoss as Real } from ${JSON.stringify(path.join(installed('pg-boss'), 'dist', 'index.js'))};
export class PgBoss extends Real {
  constructor(options) {
    super(options);
    readme.started(this);
  }
}
`;

function installed(name: string): string {
  return path.join(REPOSITORY, 'node_modules', name);
}

/** An ES module over this source, with its exports by name. */
function reExported(source: string, exports: object): string {
  const file = JSON.stringify(path.join(REPOSITORY, source));
  return `import { createRequire } from 'node:module';
const source = createRequire(${file})(${file});
${Object.keys(exports)
  .map((name) => `export const ${name} = source.${name};`)
  .join('\n')}\n`;
}

function compiled(text: string): string {
  const { code } = transformSync(asserting(text), {
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
    module: { type: 'es6' },
  });
  return code;
}

const CLAIM = /^(?<indent>\s*)(?<expression>\S.*?);?\s+\/\/ (?<mark>→|✘) (?<claimed>.+)$/;

/** `expression; // → value` becomes a call of what the test put there to compare. */
export function asserting(text: string): string {
  const lines = text.split('\n').map((line) => {
    const { expression, mark, claimed } = CLAIM.exec(line)?.groups ?? {};
    if (expression === undefined) {
      if (/[→✘]/.test(line)) throw new Error(`this claims something that is not checked: ${line}`);
      return line;
    }
    const run = `async () => (${expression})`;
    return mark === '→'
      ? `await readme.answers(${run}, (${claimed}), ${JSON.stringify(line)});`
      : `await readme.refuses(${run}, ${JSON.stringify(claimed)}, ${JSON.stringify(line)});`;
  });
  return lines.join('\n');
}
