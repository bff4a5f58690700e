/** The architecture of DESIGN.md ("Layout") as rules over sources: pure, so that a test can show that each rule can fail. */
import { cycleIn, type Import, importsOf, type SourceFile } from './imports';

/** From the bottom up; imports go downward only. */
const LAYERS: readonly (readonly string[])[] = [
  ['errors.ts', 'messages.ts', 'period.ts', 'queryable.ts', 'own-types.ts', 'bytea-array.ts', 'afterwards.ts'],
  ['crypto', 'catalogue'],
  ['keyring', 'registers'],
  ['schema', 'lifecycle', 'knex'],
  ['rights', 'checks'],
  [
    ...['own-database.ts', 'converting.ts', 'subject.ts', 'archive.ts', 'scoping.ts', 'sweeping.ts', 'oubli.ts'],
    ...['restore.ts', 'drill.ts', 'inspection.ts'],
  ],
  ['cli', 'index.ts', 'testing.ts'],
];
/** Within one layer: the seam stands on the declarations, and assembly on one subject's handle. */
const SIDEWAYS = new Set([
  'knex → schema',
  'oubli.ts → subject.ts',
  'oubli.ts → sweeping.ts',
  'oubli.ts → scoping.ts',
  'oubli.ts → archive.ts',
  'oubli.ts → own-database.ts',
  'oubli.ts → converting.ts',
  'restore.ts → oubli.ts',
  'restore.ts → subject.ts',
  'restore.ts → own-database.ts',
  'drill.ts → restore.ts',
  'drill.ts → oubli.ts',
  'drill.ts → own-database.ts',
  'inspection.ts → oubli.ts',
  'registers → keyring',
  'own-types.ts → queryable.ts',
]);
const LEAVES = LAYERS[0] as readonly string[];
const DOORS = LAYERS.at(-1) as readonly string[];

/** Who alone may import a package, by the beginning of its name; files or folders below `src`. */
const PACKAGES: readonly (readonly [package_: RegExp, allowed: readonly string[], why: string])[] = [
  [/^@faker-js\//, ['lifecycle/fakes.ts'], 'faker is an optional peer'],
  [/^@aws-sdk\//, ['keyring/remote/aws-kms-calls.ts'], "Amazon's client is an optional peer"],
  [/^@opentelemetry\//, ['lifecycle/telemetry.ts'], 'OpenTelemetry is an optional peer'],
  [/^pg-boss/, ['lifecycle/jobs.ts'], 'pg-boss is an optional peer'],
  [/^knex\/(?!types)/, ['knex'], "Knex's internals change without notice"],
  [/^(@noble\/|libsodium)/, ['crypto'], 'one folder does the cryptography'],
  [/^(node:)?crypto$/, ['crypto', 'schema/element-definition.ts', 'rights/export.ts'], NODE_CRYPTO()],
  [/^(commander)$/, ['cli'], 'the command line is a door'],
];

/** sha256 of a long column name, and of an exported file for its manifest: no secret. */
function NODE_CRYPTO(): string {
  return 'node:crypto is for hashes of what is no secret';
}

const MOST_LINES = 250;
/** Tables, not code: one entry after the other. */
const LONG_BECAUSE: Readonly<Record<string, string>> = {
  'src/messages.ts': 'every text that oubli raises, in one table',
  'src/catalogue/categories.ts': 'the list of categories',
};

/** Each broken rule as a sentence; none for a sound tree. */
export function violations(sources: readonly SourceFile[]): string[] {
  const known = new Set(sources.map(({ file }) => file));
  const imports = sources.flatMap((source) => importsOf(source, known));
  const cycle = cycleIn(imports);
  return [
    ...sources.flatMap(homeless),
    ...imports.flatMap((each) => (each.isPackage ? wrongPackage(each) : wrongDirection(each))),
    ...(cycle ? [`a cycle: ${cycle.join(' → ')}`] : []),
    ...sources.flatMap(tooLong),
    ...sources.flatMap(reachesIntoKnex),
  ];
}

/** Folder or top-level file below `src`. */
function unitOf(file: string): string {
  return file.split('/')[1] ?? '';
}

function layerOf(unit: string): number {
  return LAYERS.findIndex((layer) => layer.includes(unit));
}

function homeless({ file }: SourceFile): string[] {
  return layerOf(unitOf(file)) === -1 ? [`${file} belongs to no layer of DESIGN.md`] : [];
}

function wrongDirection({ from, to }: Import): string[] {
  const [a, b] = [unitOf(from), unitOf(to)];
  if (!to.startsWith('src/')) return [`${from} imports ${to}, outside of src`];
  if (DOORS.includes(b) && a !== b) return [`${from} imports the door ${to}`];
  const sound = a === b || layerOf(b) < layerOf(a) || SIDEWAYS.has(`${a} → ${b}`) || areLeaves(a, b);
  return sound ? [] : [`${from} imports ${to}: ${a} may not know ${b}`];
}

function areLeaves(a: string, b: string): boolean {
  return LEAVES.includes(a) && LEAVES.includes(b);
}

function wrongPackage({ from, to }: Import): string[] {
  const inside = from.slice('src/'.length);
  return PACKAGES.flatMap(([name, allowed, why]) =>
    name.test(to) && !allowed.some((place) => inside === place || inside.startsWith(`${place}/`))
      ? [`${from} imports ${to}: ${why}`]
      : [],
  );
}

function tooLong({ file, text }: SourceFile): string[] {
  const lines = text.trimEnd().split('\n').length;
  return lines <= MOST_LINES || file in LONG_BECAUSE ? [] : [`${file} has ${lines} lines, more than ${MOST_LINES}`];
}

/** `knex.client`: only `knex/internals.ts` may know what stands behind it. */
function reachesIntoKnex({ file, text }: SourceFile): string[] {
  if (unitOf(file) === 'knex') return [];
  const found = /\b(knex|db|trx|handle)(\s+as\s+[^)]+\))?\s*[?!]?\.\s*client\b/.exec(
    text.replace(/^\s*(\*|\/\/).*$/gm, ''),
  );
  return found ? [`${file} reaches into Knex: ${found[0]}`] : [];
}
