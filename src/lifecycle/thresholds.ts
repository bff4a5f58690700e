/** Under which what anonymises if its tests pass has not passed. */
export interface Thresholds {
  /** 5 unless said otherwise. */
  readonly k?: number;
  /** 2 unless said otherwise: with one value only, whoever is known to be among them is known to have it. */
  readonly l?: number;
}
