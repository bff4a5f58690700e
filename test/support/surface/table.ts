/** The surface as a document, one row per verb: what the tests run is what it says. */
import { conditions } from './conditions';
import { running } from './running';
import { joins, selection } from './selection';
import type { Chapter, Verb } from './verb';
import { writing } from './writing';

export const chapters: readonly Chapter[] = [selection, joins, conditions, writing, running];

const HEAD = `# What Knex can do over sealed columns

Every verb of Knex 3.0 to 3.3, called over protected columns and over the same tables without protection: "works" means that both
gave the same rows; what is refused raises an \`UnsupportedQueryError\` with that code before anything is sent. This table is
written by \`test/database/surface.test.ts\`, which fails while the two disagree (\`SURFACE=write npx mocha
test/database/surface.test.ts\` writes it anew).
`;

export function surfaceTable(): string {
  return [HEAD, ...chapters.map(chapterTable)].join('\n');
}

function chapterTable({ title, verbs }: Chapter): string {
  return [`## ${title}\n`, '| verb | over a sealed column |', '|---|---|', ...verbs.map(row), ''].join('\n');
}

function row({ verb, refused, note }: Verb): string {
  const answer = refused === undefined ? 'works' : `refused with \`${refused}\``;
  return `| ${verb} | ${note === undefined ? answer : `${answer}; ${note}`} |`;
}
