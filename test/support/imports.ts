/** What a TypeScript source imports, by its text: `import`, `export … from`, `import()`, `import('…')` types, `require`. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export interface SourceFile {
  /** From the repository's root, with `/`: `src/knex/clients.ts`. */
  readonly file: string;
  readonly text: string;
}

export interface Import {
  readonly from: string;
  /** The file it leads to, or the name of a package. */
  readonly to: string;
  readonly isPackage: boolean;
}

const IMPORTS = /(?:\bfrom|\bimport|\bimport\s*\(|\brequire\s*\()\s*(['"])([^'"\n]+)\1/g;
/** Comments, but not the `//` within a string such as a URL. */
const COMMENTS = /\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm;

/** Every `.ts` file below a folder of the repository. */
export function sourcesIn(root: string, folder: string): SourceFile[] {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name.split(path.sep).join('/')}`)
    .sort()
    .map((file) => ({ file, text: readFileSync(path.join(root, file), 'utf8') }));
}

export function importsOf({ file, text }: SourceFile, known: ReadonlySet<string>): Import[] {
  const names = [...text.replace(COMMENTS, '').matchAll(IMPORTS)].map((match) => match[2] as string);
  return [...new Set(names)].map((name) =>
    name.startsWith('.')
      ? { from: file, to: resolved(file, name, known), isPackage: false }
      : { from: file, to: name, isPackage: true },
  );
}

function resolved(file: string, name: string, known: ReadonlySet<string>): string {
  const base = path.posix.join(path.posix.dirname(file), name);
  const candidates = [`${base}.ts`, `${base}/index.ts`, `${base}.d.ts`, base];
  return candidates.find((each) => known.has(each)) ?? base;
}

/** The first way round from a file to itself, or undefined. */
export function cycleIn(imports: readonly Import[]): string[] | undefined {
  const next = new Map<string, string[]>();
  for (const { from, to, isPackage } of imports) if (!isPackage) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const search = (file: string, way: readonly string[]): string[] | undefined => {
    if (way.includes(file)) return [...way.slice(way.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const to of next.get(file) ?? []) {
      const found = search(to, [...way, file]);
      if (found) return found;
    }
    done.add(file);
    return undefined;
  };
  for (const file of next.keys()) {
    const found = search(file, []);
    if (found) return found;
  }
  return undefined;
}
