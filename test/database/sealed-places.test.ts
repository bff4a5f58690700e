/** Where values stand under somebody's key, whatever type they stand in: keys are destroyed by what is found here. */
import { expect } from 'chai';
import { keyIdsIn, type SealedPlace, sealedPlaces } from '../../src/lifecycle/sealed-places';
import { createWorld, type World } from '../support/world';

describe('Places of sealed values', () => {
  let world: World;
  let keys: string[];
  before(async () => {
    world = await createWorld();
    await world.db('users').insert([0, 1, 2].map((i) => ({ email: `p${i}@example.org`, name: `n${i}` })));
    keys = (await world.plain('oubli.subject_key').orderBy('key_id').pluck('key_id')).map((key) => key.toString('hex'));
    await world.plain.raw(`
      create domain team_name as oubli."users.name";
      create domain team_names as team_name[];
      create domain team_user as users;
      create type pair as (n int, "the ""names""" team_names);
      create type span as range (subtype = oubli."users.name");
      create table "a ""copy""" as select id, name as "the name" from users;
      create table by_domain as select name::team_name as v from users;
      create table in_array as select array_agg(name) as v from users;
      create table in_array_of_domain as select array_agg(name)::team_names as v from users;
      create table in_row as select u as v from users u;
      create table in_rows as select array_agg(u) as v from users u;
      create table in_domain_of_row as select u::team_user as v from users u;
      create table in_nested as select array_agg(row(1, array[u.name])::pair) as v from users u;
      create table in_range as select span(name, name, '[]') as v from users where false;
      create table in_ranges as select v, null::span_multirange as many from in_range;
      create table generated (name oubli."users.name", again oubli."users.name" generated always as (name) stored);
      insert into generated select name from users;
      create materialized view seen as select name as v from users;
      create materialized view never_filled as select name as v from users with no data;
      create table plain_rows as select p as v from products p;
      create table half (name oubli."users.name", names oubli."users.name"[]);
    `);
  });
  after(() => world.end());

  const places = async (): Promise<Map<string, SealedPlace>> => {
    const all = await world.plain.transaction((trx) =>
      sealedPlaces({ query: async (sql) => ({ rows: (await trx.raw(sql)).rows }) }),
    );
    return new Map(all.map((place) => [place.name, place]));
  };

  it('K5: are tables with a column of a sealed type, and with one that has such a type in it', async () => {
    const found = [...(await places()).keys()];
    expect(found).to.have.members([
      ...['users', 'contracts', 'notes', 'invoices', '"a ""copy"""', 'by_domain', 'in_array', 'in_array_of_domain'],
      ...['in_row', 'in_rows', 'in_domain_of_row', 'in_nested', 'in_range', 'in_ranges', 'generated', 'seen', 'half'],
    ]);
  });

  it('K5: each key is found in each of them, by whoever reseals and by whoever looks for unused keys', async () => {
    const all = await places();
    for (const name of ['users', '"a ""copy"""', 'by_domain', 'in_array', 'in_array_of_domain', 'in_row', 'in_rows'])
      expect(await foundIn(all.get(name) as SealedPlace), name).to.deep.equal(keys);
    for (const name of ['in_domain_of_row', 'in_nested', 'generated', 'seen'])
      expect(await foundIn(all.get(name) as SealedPlace), name).to.deep.equal(keys);
    for (const name of ['in_range', 'in_ranges', 'half'])
      expect(await foundIn(all.get(name) as SealedPlace), name).to.deep.equal([]);
  });

  /** As both look for them, of which one is a function of the database's. */
  async function foundIn(place: SealedPlace): Promise<string[]> {
    const ids = keyIdsIn(place.columns).replaceAll('?', '\\?');
    const { rows } = await world.plain.raw(`
      select distinct encode(k.id, 'hex') as id from ${place.name} t cross join lateral (${ids}) k(id) where k.id is not null order by 1`);
    const found = rows.map(({ id }: { id: string }) => id);
    const inUse = await world.plain.raw(
      `select encode(u, 'hex') as id from oubli.keys_in_use(array(select key_id from oubli.subject_key), ?::oid::regclass) u order by 1`,
      [place.oid],
    );
    expect(inUse.rows.map(({ id }: { id: string }) => id)).to.deep.equal(found);
    return found;
  }

  it('K5: are written only where a value stands by itself', async () => {
    const written = [...(await places()).values()].map(
      ({ name, columns }) => [name, columns.filter(({ element }) => element !== null).map((c) => c.name)] as const,
    );
    expect(Object.fromEntries(written)).to.deep.include({
      '"a ""copy"""': ['the name'],
      by_domain: ['v'],
      generated: ['name'],
      half: ['name'],
      in_array: [],
      in_row: [],
      seen: [],
    });
  });
});
