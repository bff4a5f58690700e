import { Faker, fr } from '@faker-js/faker';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { AnnotationError, annotate, install, type PersonalSpec, PlanBlockedError, SCHEMA_VERSION } from '../../src';
import { loadCatalogue } from '../../src/catalogue/load';
import { anonymisingAssignments } from '../../src/lifecycle/anonymise';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

const serve = { purpose: 'serve', basis: 'contract' } as const;
const tenYears = {
  purpose: 'invoicing',
  basis: 'legal_obligation',
  retention: { from: 'issued_on', keep: '10 years', then: 'delete', because: 'Code de commerce L123-22' },
} as const;
const clear = { category: 'account.id', protect: 'clear', because: 'a test reads it' } as const;

/** People whose rows stay, because their bills do. @param columns beside their id, as SQL, with what is said of each */
async function kept(
  knex: Knex,
  kind: string,
  columns: Readonly<Record<string, readonly [sql: string, said: PersonalSpec]>>,
  more = '',
) {
  const sqls = Object.entries(columns).map(([name, [sql]]) => `${name} ${sql}`);
  await knex.raw(
    `create table ${kind}s (${['id int primary key', ...sqls, 'ended_on date', ...(more ? [more] : [])].join(', ')})`,
  );
  await knex.raw(
    `create table ${kind}_bills (id int primary key, ${kind}_id int not null references ${kind}s, issued_on date)`,
  );
  await knex.raw(`create index on ${kind}_bills (${kind}_id)`);
  await annotate(knex, `${kind}s`, {
    subject: { kind, ...serve, retention: { from: 'ended_on', keep: '6 months', then: 'erase' } },
    columns: {
      ...Object.fromEntries(Object.entries(columns).map(([name, [, said]]) => [name, said])),
      ended_on: { notPersonal: 'starts the clock' },
    },
  });
  await annotate(knex, `${kind}_bills`, { data: tenYears, columns: { issued_on: { notPersonal: 'the fiscal date' } } });
}

async function migrate(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.raw(`create type mood as enum ('calm', 'none'); create domain short as text check (length(value) < 40)`);
  const email = { ...clear, category: 'contact.email' } as const;
  const holder: PersonalSpec = { ...clear, category: 'identity.name', anonymise: { fake: 'name' } };
  await kept(knex, 'shape', {
    born: ['date not null', { ...clear, anonymise: { to: 'year' } }],
    seen: ['timestamptz', { ...clear, anonymise: { to: 'month' } }],
    postcode: ['varchar(5) not null', { ...clear, anonymise: { prefix: 2 } }],
    age: ['smallint not null', { ...clear, anonymise: { range: 10 } }],
    tags: ['text[] not null', clear],
    stay: ['daterange not null', clear],
    extra: ['jsonb not null', clear],
    token: ['uuid not null unique', clear],
    mood: ['mood not null', { ...clear, replaceWith: 'none' }],
    nick: ['short not null', clear],
    label: ['text generated always as (nick || postcode) stored', clear],
  });
  await kept(knex, 'fake', {
    name: ['varchar(30) not null unique', { ...clear, category: 'identity.name', anonymise: { fake: 'name' } }],
    email: ['text not null unique', { ...email, anonymise: { fake: 'email' } }],
  });
  await knex.raw(
    `create table fake_cards (id int primary key, fake_id int not null references fakes, holder text not null); create index on fake_cards (fake_id)`,
  );
  await annotate(knex, 'fake_cards', {
    data: { ...serve, onErase: 'anonymise' },
    columns: { holder },
  });
  await kept(knex, 'pseudo', {
    crm: ['text', { category: 'account.id', protect: 'pseudonymise', anonymise: 'pseudonym' }],
  });
  await kept(knex, 'twin', { seat: ['int not null unique', { ...clear, replaceWith: 0 }] });
  await kept(
    knex,
    'tenant',
    { org: ['int not null', { ...clear, replaceWith: 0 }], mail: ['text not null', email] },
    'unique (org, mail)',
  );
  await kept(knex, 'checked', { code: [`text not null check (code ~ '^C')`, clear] });
  await kept(knex, 'derived', {
    nick: ['text', clear],
    slug: [`text generated always as ('s' || id::text) stored`, clear],
  });
}

describe('A6: what an anonymised row holds', () => {
  let world: World;
  before(async () => {
    world = await createWorld({ migrate, oubli: { faker: new Faker({ locale: fr, seed: 1 }) } });
  });
  after(() => world.end());

  const stays = async (kind: string, id: number, row: object): Promise<void> => {
    await world.db(`${kind}s`).insert({ id, ...row });
    await world.db(`${kind}_bills`).insert({ id, [`${kind}_id`]: id, issued_on: '2025-01-01' });
  };
  const erase = (kind: string, id: number) => world.subject(kind, id).erase({ because: 'a test' });

  it('A6: is made coarser as declared, or empty in its type, and follows where it is computed', async () => {
    await stays('shape', 1, {
      born: '1980-02-29',
      seen: '2025-06-30T23:30:00Z',
      postcode: '75011',
      age: -47,
      tags: ['a'],
      stay: '[2020-01-01,2020-02-01)',
      extra: { a: 1 },
      token: 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa',
      mood: 'calm',
      nick: 'ada',
    });
    const receipt = await erase('shape', 1);
    const { rows } =
      await world.plain.raw(`select born::text, seen at time zone 'UTC' as seen, postcode, age, tags, stay::text, extra,
      token::text, mood, nick, label from shapes`);
    expect(rows[0]).to.deep.include({
      born: '1980-01-01',
      postcode: '75',
      age: -40,
      tags: [],
      stay: 'empty',
      extra: {},
      mood: 'none',
    });
    expect(rows[0].token).to.match(/^00000000-0000-0000-/);
    expect(rows[0].nick).to.match(/^erased-[0-9a-f]{32}$/);
    expect(rows[0].label).to.equal(`${rows[0].nick}75`);
    expect(
      receipt.anonymised[0]?.columns.map(({ column, strategy, effect }) => `${column}: ${strategy}, ${effect}`),
    ).to.include.members([
      'born: generalised, anonymises if its tests pass',
      'token: random, erases',
      'label: computed, erases',
      'tags: empty, erases',
    ]);
  });

  it('A6: is a readable fake, the same in all tables of one person, unique, and marked as nobody’s', async () => {
    for (const id of [1, 2]) {
      await stays('fake', id, { name: `Ada ${id}`, email: `ada${id}@example.org` });
      await world.db('fake_cards').insert({ id, fake_id: id, holder: `Ada ${id}` });
    }
    await erase('fake', 1);
    await erase('fake', 2);
    const people = await world.plain('fakes').orderBy('id');
    const cards = await world.plain('fake_cards').orderBy('id').pluck('holder');
    for (const [place, { name, email }] of people.entries()) {
      expect(name).to.match(/^[\p{L}.' -]{2,12} ~[0-9a-f]{16}$/u);
      expect(email).to.match(/^[a-z0-9._-]+~[0-9a-f]{16}@erased\.invalid$/);
      expect(cards[place].slice(0, 8), 'the same fake, another mark').to.equal(name.slice(0, 8));
      expect(cards[place].slice(-16)).not.to.equal(name.slice(-16));
    }
    expect(people[0].name.slice(0, 8)).not.to.equal(people[1].name.slice(0, 8));
  });

  it('A6: never collides in a unique column, in 100,000 rows of one statement', async function () {
    this.timeout(60_000);
    const catalogue = await loadCatalogue({ query: async (sql) => world.plain.raw(sql) });
    const [table] = catalogue.named('fakes');
    const sets = anonymisingAssignments(table!, 't', `'salt'`).join(', ');
    await world.plain.raw('create table many (like fakes including all)');
    await world.plain.raw(`insert into many select n, 'n' || n, 'e' || n from generate_series(1, 100000) n`);
    const fakes = `(select '{"name": "Jean Martin", "email": "jean"}'::jsonb as fakes) r`;
    await world.plain.raw(`update many t set ${sets} from ${fakes}`);
    const { rows } = await world.plain.raw(
      'select count(distinct name)::int as names, count(distinct email)::int as mails from many',
    );
    expect(rows).to.deep.equal([{ names: 100_000, mails: 100_000 }]);
  });

  it('A6: is refused before anything is touched where rows of a unique column would be equal', async () => {
    await stays('twin', 1, { seat: 7 });
    expect(world.subject('twin', 1).plan().reviews[0]?.reason).to.contain('twins(seat) is unique');
    expect(await failureOf(() => erase('twin', 1))).to.be.instanceOf(PlanBlockedError);
    expect(await world.plain('twins').pluck('seat')).to.deep.equal([7]);
  });

  it('A6: may be the same in one column of a unique key whose other column differs', async () => {
    await stays('tenant', 1, { org: 3, mail: 'ada@example.org' });
    await stays('tenant', 2, { org: 3, mail: 'bob@example.org' });
    await erase('tenant', 1);
    await erase('tenant', 2);
    expect(await world.plain('tenants').pluck('org')).to.deep.equal([0, 0]);
  });

  it('A6: is refused with a typed error, nothing being touched, where a CHECK does not allow it', async () => {
    await stays('checked', 1, { code: 'C1' });
    const error = await failureOf(() => erase('checked', 1));
    expect(error).to.be.instanceOf(AnnotationError).and.include({ code: 'REPLACEMENT_REFUSED', table: 'checkeds' });
    expect(error.message).to.contain('checkeds_code_check').and.not.to.contain('C1');
    expect(await world.plain('checkeds').pluck('code')).to.deep.equal(['C1']);
    expect(await world.plain('oubli.ledger').whereRaw(`details ->> 'kind' = 'checked'`)).to.deep.equal([]);
  });

  it('A6: is refused for a column that is computed from nothing personal', async () => {
    await stays('derived', 1, { nick: 'ada' });
    expect((await failureOf(() => erase('derived', 1))).message).to.contain(
      'deriveds.slug is computed from columns of which none',
    );
  });

  it('A6: needs room for a fake, and a type that the strategy knows', async () => {
    const said: PersonalSpec = { ...clear, anonymise: { fake: 'name' } };
    await kept(world.knex, 'narrow', { a: ['varchar(10) not null', said] });
    await stays('narrow', 1, { a: 'ada' });
    const error = await failureOf(() => erase('narrow', 1));
    expect(error).to.be.instanceOf(AnnotationError).and.include({ code: 'STRATEGY_TYPE', column: 'a' });
    expect(await world.plain('narrows').pluck('a')).to.deep.equal(['ada']);
  });

  it('A7: blocks an erasure that would leave a pseudonym, and says so in the plan', async () => {
    await stays('pseudo', 1, { crm: 'crm 1' });
    const plan = world.subject('pseudo', 1).plan();
    expect(plan.steps[0]?.columns).to.deep.equal([
      { column: 'crm', strategy: 'pseudonym', effect: 'pseudonymises (still personal)' },
    ]);
    const error = await failureOf(() => erase('pseudo', 1));
    expect(error).to.be.instanceOf(PlanBlockedError);
    expect(error.message).to.contain('pseudos.crm would stay a pseudonym');
    expect(await world.plain('pseudos').whereNotNull('crm')).to.have.length(1);
  });
});
