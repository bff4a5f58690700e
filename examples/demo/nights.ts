/**
 * Nights to come, in a few seconds: pg-boss with its TestClock, whose cron fires at three, and oubli's clock moved along.
 * Nothing here sleeps: time passes by ticks, and the sweeps themselves say when they are done.
 */
import { PgBoss, TestClock } from 'pg-boss';
import type { Jobs, Oubli, SweepReport } from '../../src';
import type { Period } from '../../src/period';
import { moveClock, resetClock } from '../../src/testing';
import type { Setting } from './setting';

export interface Night {
  /** Where the clocks stood when cron fired. */
  readonly at: string;
  readonly reports: readonly SweepReport[];
  /** People, or rows, that left under a rule. */
  gone(rule: string): number | undefined;
}

const DAY = 24 * 60 * 60 * 1000;
/** Half the time after which a worker of pg-boss looks for jobs again. */
const TICK = 1_000;
/** By the real clock: something is wrong when sweeps of this size have not reported by then. */
const PATIENCE = 30_000;

export class Nights {
  private reports: SweepReport[] = [];
  private jobs: Jobs | undefined;
  private failure: Error | undefined;

  private constructor(
    private readonly setting: Setting,
    private readonly clock: TestClock,
    private readonly boss: PgBoss,
  ) {}

  static async begin(setting: Setting, { startJobs }: Oubli): Promise<Nights> {
    // TestClock lets statements of pg-boss overlap on one connection, which pg 8 announces as deprecated
    process.noDeprecation = true;
    const clock = new TestClock();
    const nights = new Nights(setting, clock, new PgBoss({ connectionString: setting.server.url, clock }));
    await nights.start(startJobs);
    return nights;
  }

  private async start(startJobs: Oubli['startJobs']): Promise<void> {
    this.boss.on('error', (error) => {
      this.failure ??= error;
    });
    await this.boss.start();
    try {
      this.jobs = await startJobs(this.boss, { cron: '0 3 * * *', onSweep: (report) => this.reports.push(report) });
    } catch (error) {
      await this.end();
      throw error;
    }
  }

  /** The night before that of `day`. */
  before(day: string): Promise<Night> {
    return this.of(new Date(Date.parse(day) - DAY).toISOString().slice(0, 10));
  }

  /** Goes to three o'clock of a day, and stays until the sweep of every rule has reported. */
  async of(day: string): Promise<Night> {
    this.reports = [];
    await moveClock(this.setting.migrating, await this.untilDay(day));
    await this.clock.setTime(`${day}T02:59:30Z`);
    const rules = (await this.boss.getSchedules('oubli.sweep')).length;
    for (const deadline = Date.now() + PATIENCE; this.reports.length < rules; await this.clock.tick(TICK)) {
      if (this.failure) throw this.failure;
      if (Date.now() > deadline) throw new Error(`only ${this.reports.length} of ${rules} sweeps reported`);
    }
    const { reports } = this;
    return { at: `${day} 03:00`, reports, gone: (rule) => reports.find((report) => report.rule === rule)?.gone };
  }

  async end(): Promise<void> {
    await this.jobs?.stop();
    await this.boss.stop({ graceful: false });
    await resetClock(this.setting.migrating);
  }

  private async untilDay(day: string): Promise<Period> {
    const { rows } = await this.setting.psql.query("select $1::date - (now() at time zone 'UTC')::date as days", [day]);
    return `${rows[0].days} days` as Period;
  }
}
