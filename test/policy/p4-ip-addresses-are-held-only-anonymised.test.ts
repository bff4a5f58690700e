import { expect } from 'chai';
import { Client } from 'pg';
import { copyIn } from '../support/copy';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

/** Promise P4 (article 1.2): IP addresses are held only anonymised. */
describe('P4: IP addresses are held only anonymised', () => {
  let world: World;
  let psql: Client;
  let user: number;

  before(async () => {
    world = await createWorld();
    psql = new Client({ connectionString: world.url });
    await psql.connect();
    const [row] = await world.db('users').insert({ name: 'Ada', email: 'ada@example.org' }).returning('id');
    user = Number(row?.id);
  });
  after(async () => {
    await psql.end();
    await world.end();
  });
  beforeEach(() => world.plain('visits').delete());

  const stored = (): Promise<unknown[]> => world.plain('visits').orderBy('id').pluck('ip');

  const written: [string, string, string][] = [
    ['the last of the four numbers of an IPv4 address is gone', '198.51.100.77', '198.51.100.0'],
    ['of an IPv6 address the network of the site is left', '2001:db8:1234:5678::9', '2001:db8:1234::'],
    ['an IPv4 address in the dress of an IPv6 one is found out', '::ffff:198.51.100.77', '198.51.100.0'],
    ['and so is one in a 6to4 address, whose first half it is', '2002:c633:644d::1', '198.51.100.0'],
    ['and one behind a translator of addresses (NAT64)', '64:ff9b::c633:644d', '198.51.100.0'],
  ];
  for (const [title, given, held] of written) {
    it(`what the application writes is shortened before it is sent: ${title}`, async () => {
      await world.db('visits').insert({ user_id: user, ip: given });
      expect(await stored()).to.deep.equal([held]);
    });
  }

  it('what the application changes later is shortened too', async () => {
    await world.db('users').where({ id: user }).update({ last_ip: '203.0.113.200' });
    expect(await world.plain('users').where({ id: user }).pluck('last_ip')).to.deep.equal(['203.0.113.0']);
  });

  it('many at once are shortened as one is', async () => {
    await world.db('visits').insert(['192.0.2.1', '192.0.2.255', null].map((ip) => ({ user_id: user, ip })));
    expect(await stored()).to.deep.equal(['192.0.2.0', '192.0.2.0', null]);
  });

  const others: [string, (ip: string) => Promise<unknown>][] = [
    ['psql', (ip) => psql.query(`insert into visits (user_id, ip) values (${user}, '${ip}')`)],
    [
      'another program with parameters',
      (ip) => psql.query('insert into visits (user_id, ip) values ($1, $2)', [user, ip]),
    ],
    ['a bulk load (COPY)', (ip) => copyIn(psql, 'copy visits (user_id, ip) from stdin', `${user}\t${ip}\n`)],
    ['another Knex instance', (ip) => Promise.resolve(world.plain('visits').insert({ user_id: user, ip }))],
  ];
  for (const [who, write] of others) {
    it(`a whole address that comes past the application is refused, not stored: ${who}`, async () => {
      for (const whole of ['198.51.100.77', '2001:db8:1234:5678::9', '2002:c633:644d::', '::ffff:198.51.100.77']) {
        const error = await failureOf(() => write(whole));
        expect(error.code, whole).to.equal('23514');
        // PostgreSQL itself quotes the line of a COPY in the context of its error, and in its log (ERASURE.md, residue on disk)
        expect(
          `${error.message} ${error.detail ?? ''} ${error.where ?? ''}`.replace(/COPY \w+, line.*/s, ''),
        ).not.to.contain(whole);
      }
      expect(await stored()).to.deep.equal([]);
      await write('198.51.100.0');
      expect(await stored(), 'an address that was shortened already is taken').to.deep.equal(['198.51.100.0']);
    });
  }

  it('an address cannot be made whole again by changing the row past the application', async () => {
    await world.db('visits').insert({ user_id: user, ip: '198.51.100.77' });
    const error = await failureOf(() => psql.query(`update visits set ip = '198.51.100.77'`));
    expect(error.code).to.equal('23514');
    expect(await stored()).to.deep.equal(['198.51.100.0']);
  });
});
