/**
 * The breaker (ERASURE.md A4): a run that would touch far more than a day's share is more likely a bug than the passing of time.
 * A script that sets every date to 2000-01-01 makes everybody due at once; what was erased then is gone for good, what was not is a
 * day late. Pure; `census.ts` counts.
 */
import { BreakerError, ConfigurationError } from '../errors';
import type { Rule } from './rule';

export interface BreakerOptions {
  /** The share of the people of a kind that may leave in one run: 0.05 unless said otherwise. 1 for no breaker. */
  readonly people?: number;
  /**
   * The share of the rows of a table: 0.2 unless said otherwise. Rows of a short period leave in larger parts than people do: a
   * daily sweep of what is kept for a week takes a seventh.
   */
  readonly rows?: number;
  /** The share under single rules, by their names: `{ 'rows:public.sessions': 0.6 }`. */
  readonly rules?: Readonly<Record<string, number>>;
  /** So many may leave whatever their share is: 10 unless said otherwise, so that one of three people may. */
  readonly floor?: number;
}

const PEOPLE = 0.05;
const ROWS = 0.2;
const FLOOR = 10;

export interface Limit {
  readonly share: number;
  readonly floor: number;
}

/** @throws ConfigurationError BAD_BREAKER */
export function limitOf(rule: Pick<Rule, 'name' | 'kind'>, options: BreakerOptions = {}): Limit {
  const general = rule.kind === undefined ? (options.rows ?? ROWS) : (options.people ?? PEOPLE);
  const share = options.rules?.[rule.name] ?? general;
  const floor = options.floor ?? FLOOR;
  if (!(share > 0 && share <= 1))
    throw new ConfigurationError('BAD_BREAKER', { option: 'share', given: String(share) });
  if (!(Number.isInteger(floor) && floor >= 0)) {
    throw new ConfigurationError('BAD_BREAKER', { option: 'floor', given: String(floor) });
  }
  return { share, floor };
}

/** How many may leave of so many. */
export function allowedOf({ share, floor }: Limit, total: number): number {
  return Math.max(floor, Math.floor(share * total));
}

/**
 * @param due counted up to one more than is allowed
 * @throws BreakerError
 */
export function refuseTooMany(rule: Pick<Rule, 'name' | 'kind'>, limit: Limit, total: number, due: number): void {
  const allowed = allowedOf(limit, total);
  if (due <= allowed) return;
  throw new BreakerError('BREAKER', {
    rule: rule.name,
    what: rule.kind === undefined ? 'rows' : 'people',
    allowed,
    total,
    counted: due,
    percent: Math.round(limit.share * 1000) / 10,
  });
}
