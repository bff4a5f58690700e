/** Rows as a JSON array, written piece by piece: numbers, booleans and JSON as themselves, all else as PostgreSQL's text. */
import type { ExportedRow } from './personal-rows';
import type { PortableTable } from './portable';

export async function* jsonArray({ columns }: PortableTable, rows: AsyncIterable<ExportedRow>): AsyncGenerator<string> {
  const codecs = new Map(columns.map(({ column }) => [column.name, column.element?.codec ?? codecOf(column.type)]));
  let separator = '[\n';
  for await (const row of rows) {
    const typed = Object.fromEntries(
      Object.entries(row).map(([name, text]) => [name, typedValue(text, codecs.get(name))]),
    );
    yield `${separator}  ${JSON.stringify(typed)}`;
    separator = ',\n';
  }
  yield separator === '[\n' ? '[]\n' : '\n]\n';
}

function codecOf(type: string): string {
  if (/^(smallint|integer|bigint)$/.test(type)) return 'integer';
  if (type === 'boolean') return 'boolean';
  return /^jsonb?$/.test(type) ? 'json' : 'text';
}

function typedValue(text: string | null, codec: string | undefined): unknown {
  if (text === null) return null;
  if (codec === 'boolean') return text === 't';
  if (codec === 'json') return JSON.parse(text);
  // beyond 2^53 a JSON number would be read back as another one (RFC 8259 §6)
  if (codec === 'integer' && Number.isSafeInteger(Number(text))) return Number(text);
  return text;
}
