/** Whoever cannot leave is passed over and reported, and keeps nobody else (ERASURE.md A3); what was asked for goes first. */
import { expect } from 'chai';
import { BreakerError, HoldError, type Oubli } from '../../src';
import { addPeople, type Person } from '../support/people';
import { failureOf, refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

const PROTECT = `
create function keep_one() returns trigger language plpgsql as $$
begin
  if old.id = tg_argv[0]::int then raise exception 'this one stays'; end if;
  return coalesce(new, old);
end $$`;

describe('Somebody who cannot leave', () => {
  let world: World;
  let people: Person[];
  const rule = 'subject:user';
  const idAt = (place: number): number => (people[place] as Person).id;
  const erased = async (of: Oubli): Promise<number> => (await of.receipts({ limit: 100 })).length;
  beforeEach(async () => {
    world = await createWorld();
    people = await addPeople(world.db, 5, '2020-01-01');
  });
  afterEach(() => world.end());

  async function protect(place: number): Promise<void> {
    await world.plain.raw(PROTECT);
    await world.plain.raw(
      `create trigger stays before update or delete on users for each row execute function keep_one(${idAt(place)})`,
    );
  }

  it('A3: because of a trigger of the team, is passed over and named by its code; the others leave', async () => {
    await protect(0);
    const failure = await failureOf(() => world.sweep({ rule }));
    expect(failure.code).to.equal('P0001');
    expect(await erased(world)).to.equal(4);
    await world.plain.raw('drop trigger stays on users');
    expect((await world.sweep({ rule }))[0]).to.include({ gone: 1, stillDue: 0 });
  });

  it('A3: because a value of hers was changed behind our back, is passed over, too', async () => {
    await world.plain.raw('alter table invoices disable trigger all');
    await world.plain.raw(
      `update invoices set billing_address = (set_byte(billing_address::bytea, 60, get_byte(billing_address::bytea, 60) # 1))::bytea where user_id = ?`,
      [idAt(0)],
    );
    await world.plain.raw('alter table invoices enable trigger all');
    expect(await refusalOf(() => world.sweep({ rule }))).to.have.property('name', 'TamperedError');
    expect(await erased(world)).to.equal(4);
  });

  it('A3: as one who asked for it and was held, keeps neither the others who asked nor those who are due', async () => {
    await world
      .db('users')
      .whereIn('id', [idAt(0), idAt(1)])
      .update({ service_ended_on: null });
    await world.holds.open({ name: 'audit', ground: 'audit' });
    for (const place of [0, 1]) {
      await world.holds.place('audit', world.subject('user', idAt(place)));
      expect(await refusalOf(() => world.subject('user', idAt(place)).erase({ because: 'request' }))).to.be.instanceOf(
        HoldError,
      );
    }
    await protect(0);
    await world.holds.release('audit', { because: 'over' });
    expect((await failureOf(() => world.sweep({ rule }))).code).to.equal('P0001');
    expect(await erased(world)).to.equal(4);
  });

  it('A4: what becomes due while a run is under way is within its limit, or stops it', async () => {
    const free = people.slice(1).map(({ id }) => id);
    await world.db('users').whereIn('id', free).update({ service_ended_on: null });
    await world.plain.raw(`create function bug() returns trigger language plpgsql as $$
      begin update users set service_ended_on = '2000-01-01' where service_ended_on is null; return null; end $$`);
    await world.plain.raw(
      'create trigger script after update of name on users for each statement execute function bug()',
    );
    const error = await refusalOf(() => world.sweep({ rule, chunk: 1, breaker: { people: 0.05, floor: 2 } }));
    expect(error).to.be.instanceOf(BreakerError);
    expect(await erased(world)).to.equal(2);
  });

  it('A4: is not kept by the breaker when she asked for it', async () => {
    await world.holds.open({ name: 'audit', ground: 'audit' });
    await world.holds.place('audit', world.subject('user', idAt(4)));
    expect(await refusalOf(() => world.subject('user', idAt(4)).erase({ because: 'request' }))).to.be.instanceOf(
      HoldError,
    );
    await world.holds.release('audit', { because: 'over' });
    const error = await refusalOf(() => world.sweep({ rule, breaker: { people: 0.05, floor: 1 } }));
    expect(error).to.be.instanceOf(BreakerError);
    expect((await world.receipts()).map(({ because }) => because)).to.deep.equal(['request']);
  });
});
