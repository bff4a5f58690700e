/**
 * The README as a program: its code blocks as files of a small ES module project, where `oubli` is this source. A line that
 * ends in `// → value` claims a result, one that ends in `// ✘ CODE` a refusal; both become assertions.
 */
import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
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
    mkdirSync(path.join(modules, 'oubli'), { recursive: true });
    for (const name of ['knex', 'pg', 'pg-boss'])
      symlinkSync(path.join(REPOSITORY, 'node_modules', name), path.join(modules, name));
    const exports = { '.': './index.js', './testing': './testing.js' };
    this.write('node_modules/oubli/package.json', JSON.stringify({ name: 'oubli', type: 'module', exports }));
    this.write('node_modules/oubli/index.js', reExported('src/index.ts', door));
    this.write('node_modules/oubli/testing.js', reExported('src/testing.ts', testingDoor));
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
      },
    };
    this.write(
      'tsconfig.json',
      JSON.stringify({ compilerOptions, include: [`${TYPED}/**/*.ts`, path.join(REPOSITORY, 'src', '**', '*.d.ts')] }),
    );
    return path.join(this.folder, 'tsconfig.json');
  }

  private write(name: string, text: string): void {
    writeFileSync(path.join(this.folder, name), text);
  }
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
  const { code } = transformSync(exportingAll(asserting(text)), {
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

/** What a file makes and leaves running has to be ended by the test. */
function exportingAll(text: string): string {
  const names = [...text.matchAll(/^const (\w+) = /gm)].map(([, name]) => name);
  return names.length === 0 ? text : `${text}\nexport { ${names.join(', ')} };\n`;
}
