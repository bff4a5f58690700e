/**
 * Follows the ledger's chain link by link and says where it is broken (ERASURE.md L1): what was changed, deleted, put in between
 * or written by somebody without the key. Pure: links come from the database, or from an exported file.
 */
import { equal } from '../crypto/bytes';
import { genesis, linkOf } from './link';

/** One link of the chain, with the text of its entry as it is now. */
export interface ChainLink {
  readonly position: number;
  readonly entry: string;
  /** 32 bytes each. */
  readonly link: Uint8Array;
  /** Where it was exported there is none, and nobody without the keys could check it. */
  readonly mac?: Uint8Array;
  /** Undefined where the entry is gone. */
  readonly text: string | undefined;
}

export interface BrokenLink {
  readonly what:
    | 'changed'
    | 'deleted'
    | 'forged'
    | 'missing'
    | 'truncated'
    | 'unlinked'
    | 'contradicted'
    | 'unreadable';
  /** In the chain; undefined for an entry that is not in it. */
  readonly position?: number;
  /** Number of the ledger's entry, where it is known. */
  readonly entry?: string;
  /** What an operator reads: names and numbers only. */
  readonly says: string;
}

export class ChainWalk {
  private previous: Uint8Array | undefined;
  private at = 0;

  /** @param mac of a link, by who has the ledger's key */
  constructor(
    instance: Uint8Array,
    private readonly mac?: (link: Uint8Array) => Uint8Array,
  ) {
    this.previous = genesis(instance);
  }

  /** How far it has come. */
  get position(): number {
    return this.at;
  }

  /** The last link, undefined while there is none. */
  get link(): Uint8Array | undefined {
    return this.at === 0 ? undefined : this.previous;
  }

  /** @param next in the order of positions @returns what is wrong with it */
  follow(next: ChainLink): BrokenLink[] {
    const broken = [...this.missingBefore(next), ...this.wrongIn(next)];
    this.at = next.position;
    this.previous = next.link; // whatever was there before: what follows hangs on the link as it was written
    return broken;
  }

  private missingBefore({ position }: ChainLink): BrokenLink[] {
    const first = this.at + 1;
    if (position === first) return [];
    this.previous = undefined;
    const which = position - 1 === first ? `position ${first} is` : `positions ${first} to ${position - 1} are`;
    return [{ what: 'missing', position: first, says: `${which} missing from the chain` }];
  }

  private wrongIn({ position, entry, link, mac, text }: ChainLink): BrokenLink[] {
    const where = { position, entry };
    if (this.mac && mac && !equal(this.mac(link), mac))
      return [{ ...where, what: 'forged', says: `entry ${entry} was linked by somebody who has not the ledger's key` }];
    if (text === undefined) return [{ ...where, what: 'deleted', says: `entry ${entry} was deleted` }];
    if (this.previous && !equal(linkOf(this.previous, text), link))
      return [
        { ...where, what: 'changed', says: `entry ${entry} is not what was written, or not where it was written` },
      ];
    return [];
  }
}
