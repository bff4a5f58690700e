/** A trigger that the team placed on a table, and none of ours: what fires it when rows leave or are anonymised. */
export interface TeamTrigger {
  readonly name: string;
  readonly onDelete: boolean;
  readonly onUpdate: boolean;
}

/**
 * SQL over `g` of pg_trigger and `f` of pg_proc: such a trigger. The type has a bit for DELETE and one for UPDATE (PostgreSQL source,
 * pg_trigger.h).
 */
export const IS_TEAM_TRIGGER = `not g.tgisinternal and g.tgenabled <> 'D' and g.tgtype & 24 <> 0 and f.pronamespace <> 'oubli'::regnamespace`;
export const FIRES_ON_DELETE = 'g.tgtype & 8 <> 0';
export const FIRES_ON_UPDATE = 'g.tgtype & 16 <> 0';

/** SQL over `w` of pg_rewrite: a rule, in PostgreSQL's sense, on UPDATE or DELETE. */
export const IS_WRITING_RULE = `w.ev_type in ('2', '4') and w.ev_enabled <> 'D'`;
