/** What a check found: a fact, where it stands, and what to do about it. Names only, never a value (ENVELOPE.md E8). */
export interface Finding {
  readonly check: 'declarations' | 'history' | 'partitions' | 'roles';
  readonly table: string;
  readonly column: string;
  readonly says: string;
  /** Code that can be pasted, with the reader's own names. */
  readonly fix: string;
}
