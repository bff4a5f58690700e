/** The rotation of epoch keys: every living key opened and wrapped anew (ENVELOPE.md K5), against an UPDATE of the same rows by PostgreSQL alone. */
import { type Measured, measure } from '../rounds';
import { open } from './estate';

/** At least so many in a second, on one core. */
const KEYS_A_SECOND = 10_000;

export async function measureRewrap(server: string, keys: number, rounds: number): Promise<Measured> {
  const { oubli, plain, end } = await open(server, async (knex) => {
    await knex.schema.createTable('members', (t) => {
      t.integer('id').primary();
      t.text('name').personal({ category: 'identity.name', protect: 'encrypt' });
      t.date('left_on').index().notPersonal('the event that starts the clock');
      t.dataSubject('member', {
        purpose: 'measure',
        basis: 'contract',
        retention: { from: 'left_on', keep: '6 months', then: 'erase' },
      });
    });
  });
  try {
    const members = Array.from({ length: keys }, (_, id) => ({ id, name: `Member ${id}` }));
    await oubli.insertMany('members', members);
    await plain.raw('create table plain_keys as select * from oubli.subject_key');
    await plain.raw('alter table plain_keys add primary key (key_id)');
    await plain.raw('create index on plain_keys (epoch)');
    const vacuum = async (): Promise<void> => void (await plain.raw('vacuum analyze oubli.subject_key, plain_keys'));
    const measured = await measure({
      name: 'rewrap',
      title: `${keys} keys under a new epoch (to an UPDATE of as many rows); at most ${(1000 * keys) / KEYS_A_SECOND} ms`,
      ...{ rounds, atMost: undefined },
      plain: {
        prepare: vacuum,
        run: async () =>
          void (await plain.raw("update plain_keys set epoch = epoch + 1, wrapped = wrapped || ''::bytea")),
      },
      tried: {
        prepare: vacuum,
        run: async () => {
          const { rewrapped } = await oubli.epochs.rotate();
          if (rewrapped !== keys) throw new Error(`${rewrapped} of ${keys} keys were wrapped anew`);
        },
      },
    });
    return { ...measured, atMostMs: (1000 * keys) / KEYS_A_SECOND };
  } finally {
    await end();
  }
}
