/** What is typed to confirm what cannot be undone. */
import { createInterface } from 'node:readline';

/** One line from whoever sits there, or from a script that says it on purpose; nothing where the input ends. */
export async function answer(question: string): Promise<string> {
  const reader = createInterface({ input: process.stdin, output: process.stdout });
  try {
    process.stdout.write(question);
    for await (const line of reader) return line.trim();
    return '';
  } finally {
    reader.close();
  }
}
