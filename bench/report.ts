/** Results as they are shown: a table for the terminal, numbers for a script, and `RESULTS.md` for whoever was not there. */
import { readFileSync } from 'node:fs';
import { cpus, totalmem, type } from 'node:os';
import path from 'node:path';
import type { Peer } from './peers/peer';
import type { Measured } from './rounds';

const HEADINGS = ['work', 'ratio', 'bound', 'half of the rounds', 'plain ms', 'ms', 'rounds', ''] as const;

export function asJson(results: readonly Measured[]): string {
  const entries = results.map(({ name, ratio, rounds, atMostMs, triedMs }) => {
    const ms = atMostMs === undefined ? {} : { p99Ms: Number(triedMs.toFixed(2)) };
    return [name, { ratio: Number(ratio.toFixed(3)), rounds, ...ms }];
  });
  return JSON.stringify(Object.fromEntries(entries));
}

export function asTable(results: readonly Measured[]): string {
  const rows = [[...HEADINGS], ...results.map(cells)];
  const width = HEADINGS.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(width[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function asMarkdown(
  results: readonly Measured[],
  peers: readonly Peer[],
  postgres: string,
  command: string,
): string {
  const of = (peer: Peer): Measured[] => results.filter(({ name }) => name.endsWith(`-${peer.name}`));
  const ours = results.filter((result) => !peers.some((peer) => of(peer).includes(result)));
  return `# Results

\`${command}\`, ${new Date().toISOString().slice(0, 10)}. Ratios to plain Knex doing the same with the same rows; medians of interleaved rounds.

${markdownTable([[...HEADINGS], ...ours.map(cells)])}

W1 to W4 are of a protected table, 5 of 7 columns sealed, one of them searchable and unique, a key for each person; the people of W1 and
\`bulk\` are new in each round, so that their keys are made in it, those of W1k are not. W1u to W4u are of an unprotected table, through the
protected instance. From \`purge\` on it is the life cycle; what stands beside it is said in the last column: DELETEs by hand in the order of
foreign keys, traffic without a purge, a scan of the index, one worker. Why they cost what they cost: [PROFILE.md](PROFILE.md).

## Peers

${markdownTable([[...HEADINGS], ...peers.flatMap(of).map(cells)])}

${peers.map(({ name, how, lacks }) => `- **${name}**: ${how}. ${lacks}`).join('\n')}

## Where and with what

${markdownTable([['', ''], ...versions(peers, postgres)])}

The server runs on the same machine, without fsync and with synchronous_commit off, without autovacuum and checkpoints meanwhile; tables
are vacuumed and garbage is collected between the rounds. On a server that waits for its disk, writes take longer on both sides, and
their ratios are lower.
`;
}

function cells(measured: Measured): string[] {
  const { name, title, ratio, between, plainMs, triedMs, rounds } = measured;
  const [low, high] = between.map((each) => each.toFixed(2));
  return [
    ...[name, ratio.toFixed(2), boundOf(measured), `${low} – ${high}`],
    ...[plainMs.toFixed(0), triedMs.toFixed(0), String(rounds), title],
  ];
}

function boundOf({ atMost, atLeast, atMostMs }: Measured): string {
  if (atMost !== undefined) return `≤ ${atMost.toFixed(2)}`;
  if (atLeast !== undefined) return `≥ ${atLeast.toFixed(2)}`;
  return atMostMs === undefined ? '' : `≤ ${atMostMs} ms`;
}

function markdownTable([headings = [], ...rows]: readonly (readonly string[])[]): string {
  return [headings, headings.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function versions(peers: readonly Peer[], postgres: string): string[][] {
  const [cpu] = cpus();
  const packages = ['knex', 'pg', ...peers.flatMap((peer) => peer.package ?? [])];
  return [
    ['machine', `${cpus().length} × ${cpu?.model.trim() ?? 'CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()}`],
    ['Node', process.version],
    ['PostgreSQL', `${postgres}, embedded`],
    ...packages.map((name) => [`\`${name}\``, versionOf(path.join('node_modules', name))]),
    ['`oubli`', versionOf('.')],
  ];
}

function versionOf(folder: string): string {
  const manifest = readFileSync(path.join(__dirname, '..', folder, 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
