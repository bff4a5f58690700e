/**
 * The archive's part of the erasing statement (ERASURE.md A1, R1): rows that were deleted go, as they were sealed, into the
 * archive or its outbox in the same statement, under the ledger's entry that counts them. Pure text.
 */
import { quoteLiteral as literal, quoteIdentifier as q } from '../../queryable';
import type { Plan } from '../plan';
import type { Step } from '../step';
import { type ArchiveRule, archiveRuleOf } from './rule';

const SEALED_TYPES = ['oid', 'tid', 'uuid', 'bytea', 'bytea', 'timestamptz', 'bytea'];
const SEALED_COLUMNS = 'part, at, id, key_id, subject, until, sealed';

interface ArchivingStep {
  readonly name: string;
  readonly rule: ArchiveRule;
}

function archivingSteps({ steps }: Plan): ArchivingStep[] {
  return steps.flatMap((step, place) => {
    const rule = step.action === 'archive' ? archiveRuleOf(step.table) : undefined;
    return rule ? [{ name: `s${place}`, rule }] : [];
  });
}

/** Turns the branch that deletes a step's rows, with their places, into one with what each of them was sealed as. */
export function deletedAndSealed(name: string, deleting: string): string[] {
  return [
    `${name}_gone as (${deleting})`,
    `${name} as (select g.tag, v.* from ${name}_gone g left join ${name}_sealed v on v.part = g.part and v.at = g.at)`,
  ];
}

/** @param first number of the first parameter: seven for each step that archives, as `sealMoved` has them */
export function sealedBranches(plan: Plan, first: number): string[] {
  return archivingSteps(plan).map(({ name }, place) => {
    const arrays = SEALED_TYPES.map((type, i) => `$${first + place * SEALED_TYPES.length + i}::${type}[]`);
    return `${name}_sealed as materialized (select * from unnest(${arrays.join(', ')}) v(${SEALED_COLUMNS}))`;
  });
}

/** What is written once the ledger's `entry` is there. */
export function archiveBranches(plan: Plan): string[] {
  const steps = archivingSteps(plan);
  if (steps.length === 0) return [];
  const ofEntry = plan.kind === undefined ? 'true' : 'e.key_id = s.tag';
  const moved = steps.map(({ name }) => `select key_id, until, subject, tag from ${name}`).join(' union all ');
  return [
    ...steps.map(({ name, rule }) => insertion(name, rule, ofEntry)),
    `archive_keys as (insert into oubli.archive_key (key_id, entry, until, subject)
  select s.key_id, e.entry, max(s.until), s.subject from (${moved}) s join entry e on ${ofEntry}
  group by s.key_id, e.entry, s.subject
  returning key_id)`,
    `archive_keys_stay as (update oubli.subject_key k set keep_until = null from archive_keys a where k.key_id = a.key_id)`,
  ];
}

/** Without RETURNING: whoever moves rows may not read them again. */
function insertion(name: string, { table, archive }: ArchiveRule, ofEntry: string): string {
  const [target, column, schema] = archive.elsewhere
    ? ['oubli.archive_outbox', 'schema, ', `${literal(archive.schema)}, `]
    : [`${q(archive.schema)}.archived_row`, '', ''];
  return `${name}_moved as (insert into ${target} (${column}source, id, key_id, subject, until, entry, moved_at, sealed)
  select ${schema}${literal(table.displayName)}, s.id, s.key_id, s.subject, s.until, e.entry, e.at,
    coalesce(s.sealed, oubli.refuse_unsealed_move())
  from ${name} s join entry e on ${ofEntry})`;
}

/** What the ledger says of a step's rows beside their number and their end. */
export function archivedDetail({ action, table }: Step): { archive?: string; elsewhere?: true } {
  const rule = action === 'archive' ? archiveRuleOf(table) : undefined;
  if (!rule) return {};
  return { archive: rule.archive.schema, ...(rule.archive.elsewhere ? { elsewhere: true } : {}) };
}
