/** `oubli hold open|place|release|list`: cases that keep people and rows as they are, whatever is due or asked for. */
import { Command } from 'commander';
import { afterwards } from '../afterwards';
import { RestoreReplayRequiredError } from '../errors';
import type { Holds, StandingCase } from '../lifecycle/holds';
import { oubli } from '../oubli';
import { duringReplay } from '../restore';
import { type InstanceOptions, withInstanceOptions, withSettings } from './database';

export function holdVerb(): Command {
  const hold = new Command('hold').description(
    'cases that keep people and rows as they are, whatever is due or asked for',
  );
  subverb(hold, 'open <case>', 'open a case; its name stands in errors and in the ledger, so it is no name of a person')
    .requiredOption('--ground <text>', 'why the law lets it hold: GDPR Art. 17(3)(e), say')
    .option('--until <date>', 'its last day, 2028-12-31 (UTC); until it is released unless given')
    .action(open);
  subverb(
    hold,
    'place <case>',
    'hold a person with the rows of her graph, single rows, or what was archived of somebody',
  )
    .option('--subject <kind:id>', 'a person: user:42')
    .option('--archived <who>', 'what was archived of whom: the key id of her receipt, or user:42')
    .option('--table <name>', 'the table of single rows')
    .option('--rows <keys>', 'their primary keys, with commas between them: 7,8')
    .action(place);
  subverb(hold, 'release <case>', 'release a case; what waited for it is carried out by the next sweep')
    .requiredOption('--because <reason>', 'kept in the ledger')
    .action(release);
  subverb(hold, 'list', 'the cases that were not released').action(list);
  return hold;
}

function subverb(hold: Command, name: string, description: string): Command {
  return withInstanceOptions(hold.command(name).description(description));
}

async function open(name: string, options: InstanceOptions & { ground: string; until?: string }): Promise<void> {
  const { ground, until } = options;
  await withHolds(options, (holds) => holds.open({ name, ground, ...(until === undefined ? {} : { until }) }));
  console.log(`opened ${name}; it holds nothing yet`);
}

interface PlaceOptions extends InstanceOptions {
  readonly subject?: string;
  readonly archived?: string;
  readonly table?: string;
  readonly rows?: string;
}

async function place(name: string, options: PlaceOptions, command: Command): Promise<void> {
  const { subject, archived, table, rows } = options;
  if ([subject, archived, table].filter((each) => each !== undefined).length !== 1)
    command.error("error: give one of '--subject kind:id', '--archived who', and '--table' with '--rows'");
  const what =
    archived !== undefined
      ? { archivedOf: archived.includes(':') ? personIn(archived) : { keyId: archived } }
      : table === undefined
        ? personIn(subject ?? '')
        : { table, rows: (rows ?? '').split(',').filter((key) => key !== '') };
  const { placed } = await withHolds(options, (holds) => holds.place(name, what));
  console.log(
    `${name} holds ${placed} more ${table === undefined ? (placed === 1 ? 'person' : 'people') : `rows of ${table}`}`,
  );
}

function personIn(given: string): { kind: string; id: string } {
  const [kind = '', ...id] = given.split(':');
  return { kind, id: id.join(':') };
}

async function release(name: string, options: InstanceOptions & { because: string }): Promise<void> {
  const { because } = options;
  const { people, rows, redriven } = await withHolds(options, (holds) => holds.release(name, { because }));
  console.log(`released ${name}: it held ${people} people and ${rows} rows`);
  if (redriven.requests > 0) console.log(`  ${redriven.requests} requests for an erasure wait for the next sweep`);
  for (const rule of redriven.rules) console.log(`  ${rule} is swept again by the next sweep`);
}

async function list(options: InstanceOptions): Promise<void> {
  const cases = await withHolds(options, (holds) => holds.list());
  console.log(cases.length === 0 ? 'nothing is held' : cases.map(line).join('\n'));
}

function line({ name, ground, until, holds, people, rows }: StandingCase): string {
  const last = until === undefined ? 'until it is released' : `until ${until}`;
  return `${name}: ${people} people, ${rows} rows, ${holds ? last : `over since ${until}`}  (${ground})`;
}

/** Also in a restored database: a hold may be what its replay, once begun, stopped at. */
async function withHolds<T>(options: InstanceOptions, work: (holds: Holds) => Promise<T>): Promise<T> {
  return withSettings(options, 'hold', async (knex, settings) => {
    try {
      const { holds, close } = await oubli(knex, settings);
      return await afterwards(() => work(holds), close);
    } catch (error) {
      if (!(error instanceof RestoreReplayRequiredError)) throw error;
      return duringReplay(knex, settings, ({ holds }) => work(holds));
    }
  });
}
