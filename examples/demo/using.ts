/** The scenes of every day: somebody is looked for, addresses arrive, and psql tries to write what it should not. */
import { DatabaseError } from 'pg';
import type { Oubli } from '../../src';
import type { Person } from './people';
import type { Setting } from './setting';
import type { Stage } from './stage';

export async function findByEmail(stage: Stage, { psql }: Setting, { db }: Oubli, her: Person): Promise<void> {
  stage.scene('Found by e-mail address, written otherwise, through the index');
  const typed = her.email.toUpperCase();
  stage.code(`await db('users').where({ email: '${typed}' }).first('id', 'name', 'email');`);
  const found = await db('users').where({ email: typed }).first('id', 'name', 'email');
  stage.table(['id', 'name', 'email'], found ? [[String(found.id), found.name, found.email]] : []);
  stage.promise('upper and lower case find the same person', found?.id === her.id, found);
  await psql.query('analyze users');
  const { rows } = await db.raw('explain (costs off) select id from users where email = ?', [typed]);
  const plan = (rows as Record<string, string>[]).map((row) => row['QUERY PLAN'] ?? '');
  stage.code(plan.map(shortened).join('\n'));
  stage.promise(
    'raw SQL is understood too, and PostgreSQL uses the index',
    /Index.* Scan using/.test(plan[0] ?? ''),
    plan,
  );
}

/** What a visit's address becomes. 203.0.113.0/24, 198.51.100.0/24 and 2001:db8::/32 are for examples (RFC 5737, RFC 3849). */
export const ADDRESSES = [
  { kind: 'IPv4', given: '203.0.113.77', kept: '203.0.113.0' },
  { kind: 'IPv6', given: '2001:db8:a1b2:c3d4:e5f6:708:90a:b0c', kept: '2001:db8:a1b2::' },
  { kind: 'IPv4 in IPv6', given: '::ffff:198.51.100.23', kept: '198.51.100.0' },
] as const;

export async function truncateAddresses(stage: Stage, { psql }: Setting, { db }: Oubli, her: Person): Promise<void> {
  stage.scene('IP addresses are truncated before they leave the process');
  stage.code("await db('visits').insert({ user_id, ip: request.ip, at: new Date() });");
  const visits = ADDRESSES.map(({ given }) => ({ user_id: her.id, ip: given, at: new Date() }));
  const ids = await db('visits').insert(visits).returning('id');
  const { rows } = await psql.query('select host(ip) as ip from visits where id = any($1) order by id', [
    ids.map(({ id }) => id),
  ]);
  const held = rows.map(({ ip }) => ip as string);
  stage.table(
    ['address', 'the application wrote', 'PostgreSQL holds'],
    ADDRESSES.map(({ kind, given }, i) => [kind, given, held[i] ?? '']),
  );
  const isTruncated = ADDRESSES.every(({ kept }, i) => held[i] === kept);
  stage.promise('no full address is stored: /24 of IPv4, also inside IPv6, and /48 of IPv6', isTruncated, held);
}

export async function refusePlaintext(stage: Stage, { psql }: Setting, her: Person): Promise<void> {
  stage.scene('psql, COPY and forgotten scripts cannot write plaintext: PostgreSQL refuses');
  const attempts = [
    "insert into users (name, email) values ('Mallory', 'mallory@example.org')",
    `update users set last_ip = '192.0.2.99' where id = ${her.id}`,
  ];
  for (const sql of attempts) {
    const refusal = await psql.query(sql).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (!(refusal instanceof DatabaseError)) {
      stage.promise('PostgreSQL refuses it', false, 'it was written');
      continue;
    }
    stage.code(`psql> ${sql};\nERROR: ${refusal.message}`);
    const said = `${refusal.message} ${refusal.detail ?? ''}`;
    const isSilent = !said.includes('allory') && !said.includes('192.0.2.99');
    stage.promise('refused, and the error repeats no value', refusal.code === '23514' && isSilent, said);
  }
}

function shortened(line: string): string {
  return line.replace(/\\x[0-9a-f]{20,}/g, (hex) => `${hex.slice(0, 20)}…`);
}
