/**
 * Keys of kept rows end with them. A key is destroyed and fenced, with a ledger row, when its date has come and no row is left
 * that it opens: a date that was corrected since, or a rule that was lengthened, must not make an invoice unreadable.
 */
import type { Catalogue } from '../catalogue/model';
import { joinChain } from '../catalogue/path-sql';
import { quoteLiteral as literal, quoteIdentifier as q } from '../queryable';
import type { Engine } from './engine';
import { planErasure } from './plan';
import { rootType } from './root';
import { keptShares } from './shared-rows';

/** @returns how many keys were destroyed */
export async function destroyExpiredKeys({ catalogue, database, keys, ledger }: Engine): Promise<number> {
  const destroyed = await database.transaction(async (connection) => {
    const { rows } = await connection.query(statement(catalogue));
    await ledger.chain(
      connection,
      rows.map(({ entry }) => entry),
    );
    return rows;
  });
  for (const row of destroyed) keys.cache.evict(Buffer.from(row.key_id as Uint8Array).toString('hex'));
  return destroyed.length;
}

/** A key without a link was made for an erasure that was rolled back, or is under way at this moment. */
function statement(catalogue: Catalogue): string {
  const kinds = catalogue.subjectKinds.map((kind) => `when ${literal(kind)} then ${isInUse(catalogue, kind)}`);
  const inUse = kinds.length === 0 ? 'false' : `case x.kind ${kinds.join(' ')} else false end`;
  return `
with expired as materialized (
  select k.key_id, l.kind, l.subject_id
  from oubli.subject_key k left join oubli.subject_link l on l.retained_key_id = k.key_id
  where (k.keep_until <= oubli.now()::date or k.keep_until = 'infinity')
    and not exists (select from oubli.subject_key s where s.successor = k.key_id)
    and (l.kind is not null or k.created_at < pg_catalog.now() - interval '1 day')),
destroyed as (
  delete from oubli.subject_key k using expired x
  where k.key_id = x.key_id and not ${inUse} returning k.key_id, k.fingerprint),
fenced as (
  insert into oubli.fence (key_id, fingerprint, erased_at) select key_id, fingerprint, oubli.now() from destroyed)
insert into oubli.ledger (act, key_id, because, details)
select 'shredded', key_id, 'the rows it was kept for have left', '{}' from destroyed
returning entry, key_id`;
}

/** SQL condition: a row that was kept of this person is still sealed under the key. */
function isInUse(catalogue: Catalogue, kind: string): string {
  const subjects = catalogue.subjectTable(kind);
  if (!subjects) return 'false';
  const plan = planErasure(catalogue, subjects);
  const uses = plan.steps
    .filter(({ action }) => action === 'keep')
    .flatMap((step) => keptShares(step).map((share) => ({ table: step.table, ...share })))
    .map(({ table, way, columns }) => {
      const { tables, conditions, root } = joinChain(catalogue, 't', way, plan.rootColumn);
      const sealed = columns.map(({ name }) => `oubli.key_id(t.${q(name)}::bytea) = x.key_id`);
      const where = [...conditions, `${root} = x.subject_id::${rootType(plan)}`, `(${sealed.join(' or ')})`];
      return `exists (select from ${[`${table.sqlName} t`, ...tables].join(', ')} where ${where.join(' and ')})`;
    });
  return uses.length === 0 ? 'false' : `(${uses.join(' or ')})`;
}
