/**
 * Tells the journal what the ledger has: after each commit, by whichever process; and what a crash left out, by the next one. It
 * goes on behind what was told last, so nothing is left out, and what is told twice is the same line (ERASURE.md L1, S1).
 *
 * While the journal is written no transaction is open and nothing is locked: one that hangs stops nobody. Those who tell at the same
 * time may tell the same.
 */
import { JournalError } from '../errors';
import type { LedgerKeys } from '../keyring/ledger-keys';
import type { Queryable, Row, Settings } from '../queryable';
import { caseReference, checkpointLine, entryLine, type Journal, type JournalEntry } from './journal';
import type { Ledger } from './ledger';
import type { OwnJournal } from './own-journal';

export interface Transactions {
  /** @param settings PostgreSQL's, for as long as it lasts */
  transaction<T>(work: (connection: Queryable) => Promise<T>, settings?: Settings): Promise<T>;
  /** Outside of any transaction: each statement by itself. */
  alone<T>(work: (connection: Queryable) => Promise<T>): Promise<T>;
}

export interface Telling {
  readonly database: Transactions;
  readonly keys: LedgerKeys;
  /** 16 bytes. */
  readonly instance: Uint8Array;
  readonly journal: Journal;
}

const PAGE = 1000;
/** A checkpoint at least so often (ERASURE.md L1), while anything is written. */
const CHECKPOINT_ENTRIES = 1000;
/** Acts after which somebody may have to be found in a database that never knew her key. */
const NAMED = `'requested', 'erased', 'hold placed', 'restricted'`;
/** What was told last comes first: it is signed where nothing came after it. */
const UNTOLD = `
select t.position as told, t.journal, t.begun, t.checkpoint_position, (extract(epoch from oubli.now()) * 1000000)::bigint as now,
  coalesce(t.checkpoint_at <= oubli.now() - interval '5 minutes', true) as due, l.*
from oubli.ledger_told t left join lateral (
  select k.position, k.entry, encode(k.link, 'hex') as link, coalesce(l.act, 'deleted') as act,
    coalesce(extract(epoch from l.at) * 1000000, 0)::bigint as at, encode(l.key_id, 'hex') as key,
    (select coalesce(max(f.branch), 0) from oubli.ledger_fork f where f.after < k.position) as branch,
    encode(f.subject_reference, 'hex') as subject, s.kind, s.subject_id,
    case when l.act in ('hold placed', 'hold released') then l.details ->> 'case' end as case_name,
    case when l.act = 'epoch compromised' then (l.details ->> 'epoch')::integer end as epoch
  from oubli.ledger_link k left join oubli.ledger l on l.entry = k.entry
  left join oubli.fence f on f.key_id = l.key_id and l.act in (${NAMED})
  left join oubli.subject_link s on s.key_id = l.key_id and l.act in (${NAMED})
  where k.position >= t.position order by k.position limit ${PAGE} + 1) l on true
order by l.position`;
/**
 * Never waits: whoever holds the row says the same, or will. Nor where a journal was begun anew meanwhile ($3 is what had been told before).
 * Answers with the journal that the database remembers.
 */
const TOLD = `
with told as (update oubli.ledger_told set position = greatest(position, $1),
  checkpoint_position = greatest(checkpoint_position, coalesce($2, checkpoint_position)),
  checkpoint_at = case when $2::bigint is null then checkpoint_at else oubli.now() end
where only_one in (select only_one from oubli.ledger_told where position >= $3 and begun = $4 for update skip locked))
select journal, begun from oubli.ledger_told`;

export class Teller {
  private running: Promise<void> = Promise.resolve();
  private waiting: Promise<void> | undefined;

  /** @param own the same journal, as the database knows it */
  constructor(
    private readonly telling: Telling,
    private readonly own: OwnJournal | undefined,
  ) {}

  /**
   * Resolves when all that was committed before the call is in the journal. Calls that come while one is under way share the next.
   * @throws JournalError JOURNAL_NOT_WRITTEN, JOURNAL_REPLACED: what was done is done, and told by whoever tells next
   */
  tell(): Promise<void> {
    this.waiting ??= this.after(this.running);
    return this.waiting;
  }

  private async after(running: Promise<void>): Promise<void> {
    await running.catch(() => undefined); // whoever asked for it saw the error
    const work = this.tellAll();
    this.running = work;
    this.waiting = undefined;
    return work;
  }

  private async tellAll(): Promise<void> {
    while (await this.tellPage());
  }

  /** @returns whether there may be more */
  private async tellPage(): Promise<boolean> {
    const { database, keys } = this.telling;
    const rows = await database.alone(async (connection) => (await connection.query(UNTOLD)).rows);
    const [state] = rows as [Row];
    this.own?.refuseReplaced(state);
    const told = Number(state.told);
    const known = rows.flatMap((row) => (row.position === null ? [] : [this.entryFrom(row)]));
    const last = known.at(-1);
    if (!last) return false;
    const entries = known.filter(({ position }) => position > told);
    const isSigned = isDue(state, last);
    if (entries.length === 0 && !isSigned) return false;
    const lines = entries.map((entry) => entryLine(keys, entry));
    if (isSigned) lines.push(this.checkpoint(last, String(state.now)));
    await this.append(lines);
    const signed = isSigned ? last.position : null;
    const noted = [last.position, signed, told, state.begun];
    const [now] = (await database.transaction((connection) => connection.query(TOLD, noted))).rows;
    if (now) this.own?.refuseReplaced(now);
    return known.length > PAGE;
  }

  private entryFrom(row: Row): JournalEntry {
    const { keys } = this.telling;
    const { kind, subject_id: id, case_name: name, epoch } = row;
    const subject = row.subject ?? (kind === null ? null : keys.referenceOf(String(kind), String(id)).toString('hex'));
    return {
      branch: Number(row.branch),
      position: Number(row.position),
      entry: String(row.entry),
      at: String(row.at),
      act: String(row.act),
      key: row.key as string | null,
      link: String(row.link),
      ...(subject === null ? {} : { subject: String(subject) }),
      ...(name === null ? {} : { case: caseReference(keys, String(name)) }),
      ...(epoch === null ? {} : { epoch: Number(epoch) }),
    };
  }

  private checkpoint({ branch, position, link }: JournalEntry, at: string): string {
    const instance = Buffer.from(this.telling.instance).toString('hex');
    return checkpointLine(this.telling.keys, { instance, branch, position, link, at });
  }

  private async append(lines: readonly string[]): Promise<void> {
    const { journal } = this.telling;
    try {
      await journal.append(lines);
    } catch (error) {
      const why = error instanceof JournalError ? 'no answer in time' : (error as { code?: string }).code;
      throw new JournalError('JOURNAL_NOT_WRITTEN', { journal: journal.name, why });
    }
  }
}

/** Every 1000 entries or 5 minutes, where there is something that no checkpoint signs. */
function isDue({ due, checkpoint_position: signed }: Row, { position }: JournalEntry): boolean {
  const unsigned = position - Number(signed);
  return unsigned >= CHECKPOINT_ENTRIES || (unsigned > 0 && due === true);
}

export interface Journaled {
  transaction<T>(work: (connection: Queryable) => Promise<T>, settings?: Settings): Promise<T>;
  /** The database remembers that it has a journal, which is told what a crash left out. @throws JournalError */
  begin(): Promise<void>;
  /** Tells what a crash left out, and signs a checkpoint where one is due. @throws JournalError */
  catchUp(): Promise<void>;
}

/** Transactions after which the journal is told what they wrote to the ledger, before anybody hears that they are done. */
export function journaled(database: Transactions, ledger: Ledger, telling: Omit<Telling, 'database'>): Journaled {
  const teller = new Teller({ ...telling, database }, ledger.journal);
  return {
    transaction: async (work, settings) => {
      let isNews = false;
      const result = await database.transaction(async (connection) => {
        const done = await work(connection);
        isNews = ledger.hasNews(connection);
        return done;
      }, settings);
      if (isNews) await teller.tell();
      return result;
    },
    begin: async () => {
      await database.transaction(async (connection) => ledger.journal?.remember(connection));
      await teller.tell();
    },
    catchUp: () => teller.tell(),
  };
}

/** The same where nothing is kept outside. */
export function notJournaled(database: Transactions): Journaled {
  const nothing = async (): Promise<void> => undefined;
  return { transaction: (...asked) => database.transaction(...asked), begin: nothing, catchUp: nothing };
}
