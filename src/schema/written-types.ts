/**
 * Declarations for Knex's `Tables` as TypeScript: an interface for each table's rows, with the types that `pg` gives unless it is
 * told otherwise, and which of its columns are sealed. Pure: the same tables give the same text.
 */
import type { TypedColumn, TypedTable } from './read-types';

const POINT = '{ x: number; y: number }';
const INTERVAL = `{ ${['years', 'months', 'days', 'hours', 'minutes', 'seconds', 'milliseconds']
  .map((unit) => `${unit}?: number`)
  .join('; ')}; toPostgres(): string }`;

/** `pg-types` 2, textParsers.js: by OID what is no text. Everything else comes as PostgreSQL's text. */
const TYPES: readonly (readonly [type: string, oids: readonly number[]])[] = [
  ['boolean', [16]],
  ['Buffer', [17]],
  ['number', [21, 23, 26, 700, 701]],
  ['Date', [1082, 1114, 1184]],
  ['unknown', [114, 3802]],
  [POINT, [600]],
  ['{ x: number; y: number; radius: number }', [718]],
  [INTERVAL, [1186]],
];
const ARRAYS: readonly (readonly [type: string, oids: readonly number[]])[] = [
  ['boolean', [1000]],
  ['Buffer', [1001]],
  ['number', [1005, 1007, 1028, 1021, 1022, 1231]],
  ['Date', [1115, 1182, 1185]],
  ['unknown', [199, 3807]],
  [POINT, [1017]],
  [INTERVAL, [1187]],
  ['string', [651, 791, 1008, 1009, 1014, 1015, 1016, 1040, 1041, 1183, 1270, 2951, 3907]],
];
/** bigint and numeric: read as texts, since a number would not be exact, and written as either. */
const DECIMAL_TEXTS: readonly number[] = [20, 1700];

/** @returns a module that augments `knex/types/tables.js` */
export function writtenTypes(tables: readonly TypedTable[]): string {
  const names = interfaceNames(tables);
  const rows = tables.map((table, i) => rowInterface(names[i] ?? '', table));
  const entries = tables.map((table, i) => `    ${key(tableKey(table))}: ${entry(names[i] ?? '', table)};`);
  return `// Written by \`npx oubli types\`. Write it anew after a migration; changes made here are lost.
import type { Protected } from 'oubli';

${rows.join('\n')}
declare module 'knex/types/tables.js' {
  interface Tables {
${entries.join('\n')}
  }
}
`;
}

function rowInterface(name: string, { columns }: TypedTable): string {
  const fields = columns.map((column) => `${about(column)}  ${key(column.name)}: ${typeOf(column)};\n`);
  return `export interface ${name} {\n${fields.join('')}}\n`;
}

/** Whoever writes it gives the other column, too. */
function about({ via }: TypedColumn): string {
  return via === null ? '' : `  /** About whom \`${via.replaceAll('*/', '* /')}\` names. */\n`;
}

function entry(row: string, { columns }: TypedTable): string {
  const lists = [
    columns.filter((column) => column.sealed),
    columns.filter((column) => column.optional),
    columns.filter((column) => DECIMAL_TEXTS.includes(column.type)),
  ].map((listed) => listed.map(({ name }) => quoted(name)).join(' | ') || 'never');
  while (lists.at(-1) === 'never') lists.pop();
  return `Protected<${[row, ...lists].join(', ')}>`;
}

function typeOf({ type, labels, nullable }: TypedColumn): string {
  const one = labels ? labels.map(quoted).join(' | ') : (scalar(type) ?? array(type) ?? 'string');
  return nullable && one !== 'unknown' ? `${one} | null` : one;
}

function scalar(type: number): string | undefined {
  return TYPES.find(([, oids]) => oids.includes(type))?.[0];
}

function array(type: number): string | undefined {
  const found = ARRAYS.find(([, oids]) => oids.includes(type))?.[0];
  return found && (found === 'unknown' ? 'unknown[]' : `(${found} | null)[]`);
}

/** As one writes it to `db()`. */
function tableKey({ schema, name }: TypedTable): string {
  return schema === 'public' ? name : `${schema}.${name}`;
}

/** `users` → `UsersRow`; where two tables would have one name, they are numbered. */
function interfaceNames(tables: readonly TypedTable[]): string[] {
  const taken = new Set<string>();
  return tables.map((table) => {
    const words = tableKey(table).match(/[\p{L}\p{N}]+/gu) ?? ['table'];
    const stem = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
    const base = /^\p{L}/u.test(stem) ? `${stem}Row` : `Table${stem}Row`;
    let name = base;
    for (let n = 2; taken.has(name); n++) name = `${base}${n}`;
    taken.add(name);
    return name;
  });
}

function key(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : quoted(name);
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
