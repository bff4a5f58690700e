/** A trigger that the team placed on a table, and none of ours: what fires it when rows leave or are anonymised. */
export interface TeamTrigger {
  readonly name: string;
  readonly onDelete: boolean;
  readonly onUpdate: boolean;
}
