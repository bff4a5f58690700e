/** A text as SQL has it. Of declarations and names only: what a person is called travels as a parameter. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
