/**
 * The last scene: somebody has the disk, the logs and a backup, and looks for her, byte by byte. A canary in a table that
 * nobody protected shows that what is there would be found.
 */
import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { FreshServer } from '../../test/support/postgres';
import { type Needle, needlesOf, needlesOfAddress, type Scan, scan } from '../../test/support/scan';
import { dump } from './dump';
import type { Person } from './people';
import type { Setting } from './setting';
import type { Stage } from './stage';
import { ADDRESSES } from './using';

const CANARY = `canary-${randomUUID()}@example.org`;

/** As any table is without oubli. Written early, so that it goes wherever her data went. */
export async function releaseCanary({ psql }: Setting): Promise<void> {
  await psql.query('create table unprotected (email text)');
  await psql.query('insert into unprotected values ($1)', [CANARY]);
}

export async function searchTheDisk(stage: Stage, { server, psql }: Setting, her: Person): Promise<void> {
  stage.scene('Somebody has the disk, the log and a backup');
  await psql.query('checkpoint');
  const folder = await mkdtemp(path.join(tmpdir(), 'oubli-dump-'));
  try {
    const { by, files } = await dump(server, psql, folder);
    stage.say(
      'Every file is searched for her, as written, in lower and in upper case, in UTF-8, UTF-16, hex and base64;',
    );
    stage.say(`the logical dump was made by ${by}.`);
    const findings = await search(placesOf(server, files), needlesFor(her));
    show(stage, findings);
    stage.say(
      'Not shown here: until the key of its epoch is destroyed, that still opens what an old backup holds (examples/keys.md).',
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

const CONTROL = 'the canary';
const HERS = ['her name', 'her e-mail address', 'her IP addresses'];

function needlesFor(her: Person): Needle[] {
  return [
    ...needlesOf(CONTROL, CANARY),
    ...needlesOf('her name', her.name),
    ...needlesOf('her e-mail address', her.email),
    ...[her.last_ip, ...ADDRESSES.map(({ given }) => given)].flatMap((each) =>
      needlesOfAddress('her IP addresses', each),
    ),
  ];
}

interface Place {
  readonly name: string;
  readonly paths: readonly string[];
  /** Where the canary has to be found, or the search of this place shows nothing. */
  readonly holdsControl: boolean;
}

/** Everything under the data directory, and what leaves it. */
function placesOf({ dataDirectory, logFile }: FreshServer, dumped: readonly string[]): Place[] {
  const below = (name: string): string => path.join(dataDirectory, name);
  const named = ['base', 'global', 'pg_wal'];
  const others = readdirSync(dataDirectory).filter((name) => !named.includes(name));
  return [
    { name: 'tables and indexes', paths: [below('base'), below('global')], holdsControl: true },
    { name: 'write-ahead log', paths: [below('pg_wal')], holdsControl: true },
    { name: 'the rest of the data directory', paths: others.map(below), holdsControl: false },
    { name: 'server log, with every statement', paths: [logFile], holdsControl: true },
    { name: 'logical dump', paths: dumped, holdsControl: true },
  ];
}

type Finding = Place & Scan;

async function search(places: readonly Place[], needles: readonly Needle[]): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const place of places) findings.push({ ...place, ...(await scan(place.paths, needles)) });
  return findings;
}

function show(stage: Stage, findings: readonly Finding[]): void {
  const count = ({ hits }: Scan, wanted: string): number => hits.filter(({ name }) => name === wanted).length;
  stage.table(
    ['place', 'files', 'MB', CONTROL, ...HERS],
    findings.map((finding) => [
      finding.name,
      String(finding.files),
      (finding.bytes / 1e6).toFixed(1),
      ...[CONTROL, ...HERS].map((wanted) => `${count(finding, wanted)} ×`),
    ]),
  );
  const missed = findings.filter((finding) => finding.holdsControl && count(finding, CONTROL) === 0);
  stage.promise(
    'the search finds what nobody protected, in each of these places',
    missed.length === 0,
    missed.map(({ name }) => name),
  );
  for (const wanted of HERS) {
    const leaks = findings.filter((finding) => count(finding, wanted) > 0);
    const seen = leaks.map(({ name }) => `found in ${name}`).join(', ');
    stage.promise(
      `of ${wanted} it finds nothing, in none of them, though she was a customer`,
      leaks.length === 0,
      seen,
    );
  }
}
