/** What an application does with its models: graphs written and read, joined, found, changed. The same code on any Knex instance. */
import type { Knex } from 'knex';
import { Contract, User } from './models';

export interface Told {
  readonly what: string;
  readonly result: unknown;
}

const ada = {
  fullName: 'Ada Lovelace',
  email: 'ada@example.org',
  lastIp: '203.0.113.0',
  locale: 'en',
  contracts: [
    { signatory: 'A. Lovelace', plan: 'gold', notes: [{ body: 'called on Monday' }, { body: 'prefers letters' }] },
    { signatory: 'W. King', plan: 'silver' },
  ],
};

export async function story(knex: Knex): Promise<Told[]> {
  const told: Told[] = [];
  // as JSON: what two instances give is compared as the application sees it
  const tell = async (what: string, result: PromiseLike<unknown>): Promise<void> => {
    told.push({ what, result: JSON.parse(JSON.stringify((await result) ?? null)) });
  };
  await tell(
    'insertGraph',
    User.query(knex).insertGraph([ada, { fullName: null, email: 'b@example.org', locale: 'fr' }]),
  );
  const { id } = await User.query(knex).findOne({ email: 'ada@example.org' }).throwIfNotFound();
  await tell('findOne', User.query(knex).findOne({ email: 'ada@example.org' }));
  await tell('withGraphFetched', User.query(knex).withGraphFetched('contracts.notes').orderBy('id'));
  await tell(
    'withGraphJoined',
    User.query(knex).withGraphJoined('contracts.notes').orderBy(['users.id', 'contracts:id', 'contracts:notes.id']),
  );
  await tell(
    'joinRelated',
    Contract.query(knex)
      .joinRelated('user')
      .where('user.email', 'ada@example.org')
      .select('contracts.*', 'user.fullName as who')
      .orderBy('contracts.id'),
  );
  const contracts = await Contract.query(knex).where({ userId: id }).orderBy('id').withGraphFetched('notes');
  const [gold] = contracts;
  await tell(
    'upsertGraph',
    User.query(knex).upsertGraph({
      id,
      fullName: 'Ada King',
      contracts: [
        {
          id: gold?.id,
          signatory: 'A. King',
          notes: [{ id: gold?.notes?.[0]?.id, body: 'called on Tuesday' }, { body: 'new' }],
        },
        { signatory: 'A. K.', plan: 'bronze' },
      ],
    } as never),
  );
  await tell('after it', User.query(knex).findById(id).withGraphFetched('contracts(byId).notes(byId)').modifiers(byId));
  await tell('patch', User.query(knex).findById(id).patch({ fullName: 'Countess', lastIp: '198.51.100.0' }));
  await tell('patchAndFetchById', User.query(knex).patchAndFetchById(id, { locale: 'fr' }));
  await tell('relatedQuery', User.relatedQuery('contracts', knex).for(id).where({ plan: 'gold' }));
  await tell('resultSize', User.query(knex).whereIn('email', ['ada@example.org', 'b@example.org']).resultSize());
  await tell(
    'transaction',
    User.transaction(knex, async (trx) => User.query(trx).insertAndFetch({ email: 'c@example.org', locale: 'de' })),
  );
  await tell('deleteById', User.query(knex).deleteById(id));
  await tell('at the end', User.query(knex).withGraphFetched('contracts').orderBy('id'));
  return told;
}

const byId = { byId: (query: { orderBy(column: string): unknown }) => query.orderBy('id') };
