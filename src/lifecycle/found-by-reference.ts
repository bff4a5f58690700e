/**
 * People whom the journal names, and of whom nothing had been sealed when the backup was made: this database never knew their keys, and is
 * looked through for them by the keyed reference, which PostgreSQL cannot compute. Only those without a key are looked at: a newcomer
 * who got an old primary key has one as soon as anything of hers is sealed. A key that the replay itself made, to name her in the ledger,
 * before it was struck down, is none.
 */
import { quoteIdentifier as q } from '../queryable';
import type { Engine } from './engine';
import { type Plan, planErasure } from './plan';
import { nameOf, rootType } from './root';

export interface FoundPeople {
  readonly kind: string;
  readonly plan: Plan;
  /** Their names by reference, in hex. */
  readonly references: ReadonlyMap<string, string>;
}

const AT_ONCE = 5000;

/** @param wanted references, in hex; where there are none nothing is read */
export async function* foundByReference(engine: Engine, wanted: ReadonlySet<string>): AsyncGenerator<FoundPeople> {
  if (wanted.size === 0) return;
  for (const kind of engine.catalogue.subjectKinds) {
    const subjects = engine.catalogue.subjectTable(kind);
    if (!subjects) continue;
    const plan = planErasure(engine.catalogue, subjects);
    for await (const names of keyless(engine, plan, kind)) {
      const references = new Map(names.map((name) => [engine.keys.referenceOf(kind, name).toString('hex'), name]));
      for (const reference of references.keys()) if (!wanted.has(reference)) references.delete(reference);
      if (references.size > 0) yield { kind, plan, references };
    }
  }
}

const BEFORE_REPLAY = `
  select from oubli.subject_link l left join oubli.subject_key k on k.key_id = l.key_id
  where l.kind = $1 and l.subject_id = w.name and coalesce(k.created_at < (
    select min(f.named_at) from oubli.ledger_fork f
    where not exists (select from oubli.ledger_replayed r where r.branch = f.branch)), true)`;

/** Everybody of a kind without a key, by their names, page by page. */
async function* keyless({ database }: Engine, plan: Plan, kind: string): AsyncGenerator<string[]> {
  const column = `t.${q(plan.rootColumn)}`;
  const page = (behind: string): string => `
select w.name from ${plan.root.sqlName} t cross join lateral (select ${nameOf(plan, 't')} as name) w
where ${column} is not null${behind} and not exists (${BEFORE_REPLAY})
order by ${column} limit ${AT_ONCE}`;
  const next = page(` and ${column} > $2::${rootType(plan)}`);
  let names: string[] = [];
  do {
    const last = names.at(-1);
    const { rows } = await database.snapshot((snapshot) =>
      last === undefined ? snapshot.query(page(''), [kind]) : snapshot.query(next, [kind, last]),
    );
    names = rows.map((row) => String(row.name));
    if (names.length > 0) yield names;
  } while (names.length === AT_ONCE);
}
