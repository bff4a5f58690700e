/** Another library doing the same with the same rows, by its documented API. */
import type { Store } from '../store';

export interface Peer {
  readonly name: string;
  /** npm package, whose version stands in the results; undefined where it is PostgreSQL's own. */
  readonly package: string | undefined;
  /** How it is used here. */
  readonly how: string;
  /** What it leaves undone of what the protected table does. */
  readonly lacks: string;
  /** Makes its table. */
  open(): Promise<Store>;
}
