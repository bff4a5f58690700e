/**
 * How much the database has to do for others, as far as the role may see. Every role sees who waits for locks (`pg_locks`), and its
 * own connections; of others' only that they are there, unless it is a member of `pg_read_all_stats` (PostgreSQL manual 27.2).
 */
import { KEYS_APPLICATION } from '../keyring/key-connection';
import { OWN_COMMIT, type Queryable } from '../queryable';
import type { Strain } from './pace';

/** The name under which chunks run, so that sweeps do not take each other for traffic. */
export const APPLICATION_NAME = 'oubli sweep';
/** Short statements are seldom caught at work: whoever ended one so lately is at work. */
const LATELY = "interval '100 milliseconds'";

/** Whoever asks again and again for jobs is at work all the time, and for nobody: also where it is a sweep's own process. */
const OF_JOBS = "a.application_name ~ '^pgboss(:|$)'";

/** How this statement begins, for it is the last of its connection until a chunk runs there. */
const LOOK = 'select /* oubli look */';

const STRAIN = `${LOOK}
  count(*) filter (where not ${OF_JOBS} and (a.state = 'active' or a.state_change > clock_timestamp() - ${LATELY}))::int as active,
  coalesce(max(extract(epoch from clock_timestamp() - a.xact_start))
    filter (where coalesce(a.backend_xmin, a.backend_xid) is not null), 0)::float8 as old,
  count(*) filter (where a.query = '<insufficient privilege>')::int as unseen,
  (select count(*) from pg_catalog.pg_locks l where not l.granted)::int as waits,
  (select coalesce(max(extract(epoch from r.replay_lag)), 0) from pg_catalog.pg_stat_replication r)::float8 as lag
from pg_catalog.pg_stat_activity a
where a.datname = current_database() and a.pid <> pg_backend_pid() and a.application_name <> all($1)
  and a.query <> $2 and not starts_with(a.query, $3) and coalesce(a.backend_type, 'client backend') = 'client backend'`;

export async function strainOn(connection: Queryable): Promise<Strain> {
  const { rows } = await connection.query(STRAIN, [[APPLICATION_NAME, KEYS_APPLICATION], OWN_COMMIT, LOOK]);
  const [seen] = rows;
  return {
    active: Number(seen?.active),
    oldTransaction: Number(seen?.old),
    unseen: Number(seen?.unseen),
    lockWaits: Number(seen?.waits),
    replicaLag: Number(seen?.lag),
  };
}
