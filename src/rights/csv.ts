/** Rows as CSV (RFC 4180). NULL is nothing between the commas, an empty text is `""`. */
import { pipeline, Readable } from 'node:stream';
import { stringify } from 'csv-stringify';
import type { ExportedRow } from './personal-rows';
import type { PortableTable } from './portable';

/** What a spreadsheet takes for a formula, also in full width (OWASP, CSV injection); a negative number is none. */
const FORMULA = /^(?!-\d+(\.\d+)?$)[=+\-@\t\r\uFF1D\uFF0B\uFF0D\uFF20]/;

export function csv({ columns }: PortableTable, rows: AsyncIterable<ExportedRow>): AsyncIterable<string | Buffer> {
  const names = columns.map(({ column }) => column.name);
  const lines = stringify({ header: true, columns: names, quoted_match: /^$/, record_delimiter: 'windows' });
  return pipeline(Readable.from(disarmed(rows)), lines, () => {
    // an error destroys `lines`, and so reaches whoever reads it
  });
}

/** A spreadsheet must not run what a person typed: the JSON beside it holds the very text. */
async function* disarmed(rows: AsyncIterable<ExportedRow>): AsyncGenerator<ExportedRow> {
  for await (const row of rows) {
    yield Object.fromEntries(
      Object.entries(row).map(([name, text]) => [name, text !== null && FORMULA.test(text) ? `'${text}` : text]),
    );
  }
}
