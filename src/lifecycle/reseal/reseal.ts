/**
 * What is to be done when somebody else may have an epoch key (GDPR Art. 32(1)(b), and 33 and 34 for whom to tell): every key that it can
 * open, in whichever backup, is replaced, and what is stored under these keys is sealed anew. Then the copies of that epoch key open
 * nothing that is written here from now on. Reads and writes go on meanwhile. Interrupted anywhere it goes on where it is run again;
 * several share the work.
 *
 * It does not make backups from before unreadable for whoever has the key: those are to be thrown away.
 */
import { ConfigurationError, TamperedError, UnsupportedQueryError } from '../../errors';
import { currentEpoch, wipeKeys } from '../../keyring/provider';
import type { Engine } from '../engine';
import { drainEpochs, type Keep } from '../epochs/drain';
import { openEpoch } from '../epochs/open';
import { DEFAULT_KEEP } from '../epochs/rotate';
import { type PaceOptions, settledPace } from '../pace';
import { Pacer } from '../pacer';
import { type Ending, endReplaced } from './ending';
import { storedTables } from './stored';
import { isAnyLeft, succeedOnce } from './successors';
import { isAnyReplaced } from './uses';
import { BLOCKS, resealBlocks } from './values';

export interface ResealOptions {
  /** The human reason, for the ledger. */
  readonly because: string;
  /** How long backups from before stay restorable by the old epoch key; as for a rotation. */
  readonly keep?: Keep;
  /** As that of a sweep. */
  readonly pace?: PaceOptions;
  /** Stops after the chunk under way. */
  readonly signal?: AbortSignal;
}

export interface Reseal {
  readonly epoch: number;
  /** Keys that got a successor by this call, and old ones that it destroyed. */
  readonly replaced: number;
  readonly destroyed: number;
  /** Rows that were sealed anew. */
  readonly rows: number;
  /** Keys of archives that the epoch can open: they are not replaced, and end with what they open. */
  readonly archived: number;
  /** Whether no key is left that the epoch can open, those of archives aside; else the signal came, or others have kept rows locked or transactions open. */
  readonly finished: boolean;
}

interface Round {
  readonly done: number;
  readonly isAnyLeft: boolean;
  /** Whether another round would only wait again. */
  readonly isHeldUp?: boolean;
}

interface Pass {
  /** That were sealed anew. */
  readonly rows: number;
  /** By table: rows that cannot be opened, and rows that a trigger keeps as they are. */
  readonly damaged: ReadonlyMap<string, number>;
  readonly kept: ReadonlyMap<string, number>;
}

/** Nothing came of so many rounds one after the other: what is left is locked by somebody. */
const ATTEMPTS = 10;
const PAUSE_MS = 200;
const MARK = `
update oubli.epoch set compromised_at = oubli.now() where id = $1 and compromised_at is null returning id`;
const ANALYZE = 'analyze oubli.subject_key (key_id, born, successor)';
const STATE = 'select id, oubli.newest_epoch() as newest from oubli.epoch where id = $1';
const ARCHIVED = `
select count(*)::integer as keys from oubli.subject_key k join oubli.archive_key a on a.key_id = k.key_id where k.born <= $1`;
/** Keys of an earlier call, of which another epoch was told, may be on their way still. */
const ENDED = `
update oubli.epoch e set resealed_at = oubli.now() where e.id = $1 and e.resealed_at is null
  and not exists (select from oubli.subject_key k where k.born <= $1 and k.successor is not null) returning id`;

/**
 * @throws ConfigurationError NO_SUCH_EPOCH, BAD_PACE, EPOCHS_READ_ONLY, EPOCH_NOT_KEPT; TamperedError VALUES_DAMAGED, WRAPPED_KEYS_DAMAGED
 * @throws UnsupportedQueryError RESEAL_VIEW, RESEAL_STAYS, RESEAL_KEPT; AnnotationError RESEAL_WAITS; KeyUnavailableError; what a trigger of the team's raises
 */
export async function resealEpoch(engine: Engine, epoch: number, options: ResealOptions): Promise<Reseal> {
  const pace = settledPace(options.pace);
  await mark(engine, epoch, options.because);
  return new Run(engine, epoch, options, new Pacer(engine.database, pace, stoppingOf(options), false)).run();
}

function stoppingOf({ signal }: ResealOptions): AbortSignal {
  return signal ?? new AbortController().signal;
}

/** Written down before anything is done, and a key that nobody else has wraps from now on. */
async function mark(engine: Engine, epoch: number, because: string): Promise<void> {
  const { database, ledger } = engine;
  const [state] = (await database.alone((connection) => connection.query(STATE, [epoch]))).rows;
  if (!state) throw new ConfigurationError('NO_SUCH_EPOCH', { epoch });
  await database.transaction(async (connection) => {
    const { rows } = await connection.query(MARK, [epoch]);
    if (rows.length > 0) await ledger.record(connection, [{ act: 'epoch compromised', because, details: { epoch } }]);
  });
  if (Number(state.newest) <= epoch) await openEpoch(engine, await nextEpoch(engine, epoch), because);
}

/** Where the team keeps the keys itself, the one that it put there is taken. */
async function nextEpoch({ keys }: Engine, epoch: number): Promise<number> {
  const loaded = await keys.epochs.loadedAnew();
  const newest = currentEpoch(loaded);
  wipeKeys(loaded);
  return Math.max(newest, epoch + 1);
}

class Run {
  private replaced = 0;
  private destroyed = 0;
  private rows = 0;

  constructor(
    private readonly engine: Engine,
    private readonly epoch: number,
    private readonly options: ResealOptions,
    private readonly pacer: Pacer,
  ) {}

  async run(): Promise<Reseal> {
    const { because, keep = DEFAULT_KEEP, signal } = this.options;
    // behind it no key is made under the epoch any more: what has none of its keys now gets none
    const { finished: drained } = await drainEpochs(this.engine, { because, keep, signal });
    const finished = drained && (await this.replaceAll()) && (await this.resealAll());
    const { epoch, replaced, destroyed, rows } = this;
    if (finished) await this.end();
    return { epoch, replaced, destroyed, rows, archived: await this.archived(), finished };
  }

  private async replaceAll(): Promise<boolean> {
    return this.untilNone(async () => {
      const replaced = await succeedOnce(this.engine, this.epoch, this.options.because, this.goesOn);
      this.replaced += replaced;
      return { done: replaced, isAnyLeft: await isAnyLeft(this.engine, this.epoch) };
    });
  }

  private async resealAll(): Promise<boolean> {
    if (!(await isAnyReplaced(this.engine))) return true;
    // the planner has to know that there are many
    if (this.replaced > 0) await this.engine.database.alone((connection) => connection.query(ANALYZE));
    return this.untilNone(async () => {
      const pass = await this.pass();
      const ending = await endReplaced(this.engine, this.options.because, this.goesOn);
      const { destroyed, isAnyLeft, isHeldUp } = ending;
      this.destroyed += destroyed;
      if (pass.rows === 0 && isAnyLeft) refuseWhatStays(ending, pass);
      return { done: pass.rows + destroyed, isAnyLeft, isHeldUp };
    });
  }

  /** @returns false where the signal came, or nothing could be done for a while */
  private async untilNone(round: () => Promise<Round>): Promise<boolean> {
    for (let attempt = 0; this.goesOn() && attempt < ATTEMPTS; ) {
      const { done, isAnyLeft: goesOn, isHeldUp } = await round();
      if (!goesOn) return true;
      if (isHeldUp) return false;
      attempt = done > 0 ? 0 : attempt + 1;
      if (done === 0) await this.pacer.pause(PAUSE_MS * (0.5 + Math.random()));
    }
    return false;
  }

  /** Once through every table. */
  private async pass(): Promise<Pass> {
    const before = this.rows;
    const [damaged, kept] = [new Map<string, number>(), new Map<string, number>()];
    const tables = await this.engine.database.alone(storedTables);
    for (const table of tables.filter(({ stays }) => !stays)) {
      for (let from = 0; from < table.blocks && this.goesOn(); from += BLOCKS) {
        const began = performance.now();
        const chunk = await resealBlocks(this.engine, table, from);
        this.rows += chunk.rows;
        if (chunk.damaged > 0) damaged.set(table.name, (damaged.get(table.name) ?? 0) + chunk.damaged);
        if (chunk.kept > 0) kept.set(table.name, (kept.get(table.name) ?? 0) + chunk.kept);
        if (chunk.rows > 0) await this.pacer.after(chunk.rows, performance.now() - began);
      }
    }
    return { rows: this.rows - before, damaged, kept };
  }

  private async end(): Promise<void> {
    const { database, ledger } = this.engine;
    const { epoch } = this;
    const { because } = this.options;
    await database.transaction(async (connection) => {
      const { rows } = await connection.query(ENDED, [epoch]);
      if (rows.length > 0) await ledger.record(connection, [{ act: 'epoch resealed', because, details: { epoch } }]);
    });
  }

  private async archived(): Promise<number> {
    const { rows } = await this.engine.database.alone((connection) => connection.query(ARCHIVED, [this.epoch]));
    return Number(rows[0]?.keys);
  }

  private readonly goesOn = (): boolean => !this.options.signal?.aborted;
}

/** @throws what another round would not mend: the keys of these values stay, and the others are gone */
function refuseWhatStays({ stays: [first] }: Ending, { damaged, kept }: Pass): void {
  for (const [table, count] of damaged) throw new TamperedError('VALUES_DAMAGED', { table, count });
  for (const [table, count] of kept) throw new UnsupportedQueryError('RESEAL_KEPT', { table, count });
  if (first?.stays === 'view') throw new UnsupportedQueryError('RESEAL_VIEW', { view: first.name });
  if (first) throw new UnsupportedQueryError('RESEAL_STAYS', { table: first.name, column: first.columns[0]?.name });
}
