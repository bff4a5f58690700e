/**
 * Partitions on their way out, as a finding each: between its detachment and its drop a partition stands beside its table, where no
 * query and no erasure finds its rows. A sweep that was interrupted is finished by the next one; without one it stays.
 */
import type { Queryable } from '../queryable';
import type { Finding } from './finding';

const ENDING = `
select e.rel::text as name, p.oid::regclass::text as parent, e.rule, to_char(e.began_at, 'YYYY-MM-DD') as since
from oubli.ending_partition e join pg_catalog.pg_class c on c.oid = e.rel left join pg_catalog.pg_class p on p.oid = e.parent
where not exists (select from pg_catalog.pg_inherits i where i.inhrelid = e.rel and i.inhparent = e.parent and not i.inhdetachpending)
order by 1`;

export async function endingPartitions(connection: Queryable): Promise<Finding[]> {
  const { rows } = await connection.query(ENDING);
  return rows.map(({ name, parent, rule, since }) => ({
    check: 'partitions',
    table: String(name),
    column: '',
    says: `${name} is on its way out of ${parent ?? 'a table that is gone'} since ${since} (${rule}): until then nothing finds its rows`,
    fix: parent === null ? `drop table ${name};  -- or keep what is in it elsewhere first` : 'npx oubli sweep',
  }));
}
