/** Row security hides rows without a word: from whoever purges it may hide none (ERASURE.md A3). */
import { expect } from 'chai';
import type { Oubli, SweepsFailedError } from '../../src';
import { addPeople, type Person } from '../support/people';
import { failureOf, refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

describe('A role from which row security hides rows', () => {
  let world: World;
  let people: Person[];
  beforeEach(async () => {
    world = await createWorld();
    people = await addPeople(world.db, 2, '2020-01-01');
  });
  const roles: string[] = [];
  afterEach(async () => {
    for (const role of roles.splice(0)) await world.plain.raw(`drop owned by ${role}; drop role ${role}`);
    await world.end();
  });

  async function asTenant(table: string): Promise<Oubli> {
    const { plain } = world;
    const role = `tenant_${new URL(world.url).pathname.slice(-12)}`; // of the server: it stays when the database is dropped
    roles.push(role);
    await plain.raw(`create role ${role} login password 'x' nosuperuser`);
    await plain.raw(`grant usage on schema public, oubli to ${role}`);
    await plain.raw(`grant all on all tables in schema public, oubli to ${role}`);
    await plain.raw(`grant all on all sequences in schema public, oubli to ${role}`);
    await plain.raw(`grant create on schema oubli to ${role}`);
    await plain.raw(`alter table ${table} enable row level security`);
    await plain.raw(`create policy hers on ${table} using (false)`);
    const url = new URL(world.url);
    url.username = role;
    url.password = 'x';
    return world.another({ config: { connection: url.toString() } });
  }
  it('A3: is refused by name, and nothing is touched: neither where somebody due is hidden', async () => {
    const tenant = await asTenant('users');
    const error = await refusalOf(() => tenant.sweep({ rule: 'subject:user' }));
    // of the rule, and of what follows it
    const { failures } = error as unknown as SweepsFailedError;
    expect(failures.map((each) => each.rule)).to.deep.equal(['subject:user', undefined]);
    for (const failure of failures) expect(failure.error).to.include({ code: 'ROW_SECURITY', table: 'users' });
    expect(await world.plain('oubli.ledger').where({ act: 'erased' })).to.deep.equal([]);
  });

  it('L3: nor where rows of hers are', async () => {
    const tenant = await asTenant('visits');
    const [{ id }] = people as [Person];
    const error = await refusalOf(() => tenant.subject('user', id).erase({ because: 'request' }));
    expect(error).to.include({ code: 'ROW_SECURITY', table: 'visits' });
    expect(await world.plain('users').where({ id }).whereNotNull('name')).to.have.length(1);
    const exported = await failureOf(async () => {
      for await (const _ of await tenant.subject('user', id).export({ profile: 'portability' }));
    });
    expect(exported.code).to.equal('42501');
  });
});
