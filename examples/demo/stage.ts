/** Where the demo speaks: headings, what is done, tables as psql prints them, and promises that were kept or broken. */
import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];
/** Cells are text already; a column is as wide as its widest cell. */
export type Cells = readonly (readonly string[])[];

export class Stage {
  private scenes = 0;
  private kept = 0;
  private readonly broken: string[] = [];
  private isBlank = false;
  private readonly began = performance.now();

  constructor(private readonly out: NodeJS.WriteStream) {}

  title(text: string, below: string): void {
    this.gap();
    this.line(`${this.paint(['bold', 'cyan'], text)}  ${this.paint('dim', below)}`);
  }

  scene(heading: string): void {
    this.scenes += 1;
    const seconds = ((performance.now() - this.began) / 1000).toFixed(1);
    this.gap();
    this.line(`${this.paint(['bold', 'cyan'], `${this.scenes}. ${heading}`)} ${this.paint('dim', `(${seconds} s)`)}`);
    this.gap();
  }

  say(text: string): void {
    this.line(`  ${text}`);
  }

  /** What was run, as the reader would type it. */
  code(text: string): void {
    this.gap();
    for (const each of text.split('\n')) this.line(`    ${this.paint('yellow', each)}`);
    this.gap();
  }

  table(columns: readonly string[], rows: Cells): void {
    const width = columns.map((name, i) => Math.max(name.length, ...rows.map((row) => (row[i] ?? '').length)));
    const spread = (cells: readonly string[], paint: (text: string) => string): string =>
      width.map((wide, i) => paint((cells[i] ?? '').padEnd(wide))).join(this.paint('dim', ' │ '));
    this.gap();
    this.line(`   ${spread(columns, (text) => this.paint('bold', text))}`);
    this.line(`  ${this.paint('dim', width.map((wide) => '─'.repeat(wide + 2)).join('┼'))}`);
    for (const row of rows) this.line(`   ${spread(row, (text) => text)}`);
    this.gap();
  }

  /** @param seen what there was instead, for when it is broken */
  promise(text: string, isKept: boolean, seen: unknown = 'it was not so'): void {
    if (isKept) {
      this.kept += 1;
      this.line(`  ${this.paint('green', '✔')} ${text}`);
      return;
    }
    this.broken.push(text);
    this.line(`  ${this.paint(['bold', 'red'], '✘')} ${text} ${this.paint('red', `— ${asText(seen)}`)}`);
  }

  /** @returns whether every promise was kept */
  summary(): boolean {
    const seconds = ((performance.now() - this.began) / 1000).toFixed(1);
    const promised = this.kept + this.broken.length;
    const verdict = `${this.kept} of ${promised} promises kept`;
    const isKept = this.broken.length === 0 && promised > 0;
    this.gap();
    this.line(`${this.paint(isKept ? ['bold', 'green'] : ['bold', 'red'], verdict)} in ${seconds} s`);
    for (const text of this.broken) this.line(`  ${this.paint('red', '✘')} ${text}`);
    return isKept;
  }

  private line(text: string): void {
    this.out.write(`${text.trimEnd()}\n`);
    this.isBlank = false;
  }

  /** One empty line, never two. */
  private gap(): void {
    if (!this.isBlank) this.out.write('\n');
    this.isBlank = true;
  }

  /** https://no-color.org: any value but the empty one turns colour off. */
  private paint(style: Style, text: string): string {
    return this.out.isTTY && !process.env.NO_COLOR ? styleText(style, text) : text;
  }
}

function asText(seen: unknown): string {
  return typeof seen === 'string' ? seen : JSON.stringify(seen);
}
