/**
 * The column's type refuses what the application forgot, from whichever client: psql, COPY, another service. ENVELOPE.md E10,
 * POLICY.md P4 and P14.
 */
import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import type { Client } from 'pg';
import { install, SCHEMA_VERSION } from '../../src';
import { copyIn } from '../support/copy-in';
import { createEmpty, type EmptyDatabase } from '../support/empty';
import { type DatabaseFailure, failureOf } from '../support/refusals';

const PLAINTEXTS = ['Ada Lovelace', 'ada@example.org', '\\x4164610a', '{"name":"Ada"}', '', ' ', '\\xa70b01'];
const REFUSED = '23514'; // check_violation

describe('A column that is declared sealed', () => {
  let empty: EmptyDatabase;
  let psql: Client;
  let element: Record<'name' | 'email', number>;
  before(async () => {
    empty = await createEmpty();
    psql = empty.psql;
    await install(empty.knex, { version: SCHEMA_VERSION });
    await empty.knex.schema.createTable('users', (t) => {
      t.increments('id');
      t.text('name').personal({ category: 'identity.name', protect: 'encrypt' });
      t.text('email').personal({ category: 'contact.email', protect: 'encrypt', search: 'email', unique: true });
      t.text('crm_id').personal({ category: 'account.id', protect: 'pseudonymise' });
      t.date('ended_on').notPersonal('the event that starts the clock');
      const retention = { from: 'ended_on', keep: '6 months', then: 'erase' } as const;
      t.dataSubject('user', { purpose: 'provide the service', basis: 'contract', retention });
    });
    const rows = await empty.rows('select id, domain::text as domain from oubli.element');
    const id = (name: string): number => Number(rows.find((row) => row.domain === `oubli."users.${name}"`)?.id);
    element = { name: id('name'), email: id('email') };
  });
  after(() => empty.end());
  afterEach(async () => {
    expect(await empty.rows('select from users')).to.deep.equal([]);
  });

  /** Refused, and neither message nor detail nor hint says what was refused. */
  async function expectRefused(call: () => Promise<unknown>, value: string): Promise<DatabaseFailure> {
    const error = await failureOf(call);
    expect(error.code).to.equal(REFUSED);
    expect(error.message).to.match(/^value for domain oubli\."users\.\w+" violates check constraint "[a-z-]+"$/);
    expect([error.detail, error.hint]).to.deep.equal([undefined, undefined]);
    if (value.trim() !== '') expect(error.message).not.to.contain(value);
    return error;
  }

  for (const value of PLAINTEXTS) {
    it(`refuses ${JSON.stringify(value)} in INSERT, bound or literal, and in COPY`, async () => {
      for (const column of ['name', 'email', 'crm_id']) {
        await expectRefused(() => psql.query(`insert into users (${column}) values ($1)`, [value]), value);
        const literal = psql.escapeLiteral(value);
        await expectRefused(() => psql.query(`insert into users (${column}) values (${literal})`), value);
        await expectRefused(
          () =>
            psql.query(
              `insert into users (${column}) select v from (values (${literal}::${column === 'crm_id' ? 'text' : 'bytea'})) x(v)`,
            ),
          value,
        );
        await expectRefused(
          () => copyIn(psql, `copy users (${column}) from stdin`, `${value.replaceAll('\\', '\\\\')}\n`),
          value,
        );
      }
    });
  }

  it('refuses plaintext in an UPDATE of a row that exists', async () => {
    await psql.query('begin');
    await psql.query('insert into users (ended_on) values (null)');
    await expectRefused(() => psql.query(`update users set name = 'Ada Lovelace'`), 'Ada Lovelace');
    await psql.query('rollback');
  });

  it('refuses a DEFAULT that was laid over it by raw SQL, at the first row', async () => {
    await psql.query(`alter table users alter column name set default 'Ada Lovelace'`);
    await expectRefused(() => psql.query('insert into users (ended_on) values (null)'), 'Ada Lovelace');
    await psql.query('alter table users alter column name drop default');
  });

  it('refuses plaintext through a function, a view and a prepared statement', async () => {
    await psql.query('create view everybody as select * from users');
    await expectRefused(() => psql.query(`insert into everybody (name) values ('Ada Lovelace')`), 'Ada');
    await psql.query(
      `create function add_user(n text) returns void language sql as 'insert into users (name) values (n::bytea)'`,
    );
    await expectRefused(() => psql.query(`select add_user('Ada Lovelace')`), 'Ada');
    await psql.query('prepare adding as insert into users (name) values ($1)');
    await expectRefused(() => psql.query(`execute adding('Ada Lovelace')`), 'Ada');
    await psql.query('deallocate adding');
    await psql.query('drop function add_user; drop view everybody');
  });

  it('lets NULL through, which is visible as such', async () => {
    await psql.query('begin');
    await psql.query('insert into users (name, email, crm_id) values (null, null, null)');
    await psql.query('rollback');
  });

  describe('knows the shape of a sealed value', () => {
    const sealed = (over: Partial<{ element: number; suite: number; flags: number; bytes: number }> = {}): Buffer => {
      const head = Buffer.from([0xa7, 0x0b, over.suite ?? 1, over.flags ?? 0, 0, 0, 0, 0]);
      head.writeUInt32BE(over.element ?? element.name, 4);
      return Buffer.concat([head, randomBytes((over.bytes ?? 81) - 8)]);
    };
    /** Whether the type takes it; the guard, which also knows the keys, is asked elsewhere. */
    const accepts = async (column: string, value: Buffer): Promise<boolean> =>
      psql.query(`select $1::oubli."users.${column}"`, [value]).then(
        () => true,
        (error: DatabaseFailure) => {
          if (error.code === REFUSED) return false;
          throw error;
        },
      );

    it('and takes it, in its own column only', async () => {
      expect(await accepts('name', sealed())).to.equal(true);
      expect(await accepts('name', sealed({ element: element.email }))).to.equal(false);
      expect(await accepts('email', sealed())).to.equal(false);
      expect(await accepts('email', sealed({ element: element.email, flags: 1, bytes: 97 }))).to.equal(true);
      expect(await accepts('email', sealed({ element: element.email, flags: 0, bytes: 97 }))).to.equal(false);
      expect(await accepts('name', sealed({ flags: 1, bytes: 97 }))).to.equal(false);
    });

    it('and takes no other suite, no reserved flag, nothing too short', async () => {
      expect(await accepts('name', sealed({ suite: 2 }))).to.equal(false);
      for (const flags of [32, 64, 128, 224]) expect(await accepts('name', sealed({ flags }))).to.equal(false);
      for (const flags of [4, 8, 12, 16]) expect(await accepts('name', sealed({ flags }))).to.equal(true);
      expect(await accepts('name', sealed({ bytes: 79 }))).to.equal(false);
      expect(await accepts('email', sealed({ element: element.email, flags: 1, bytes: 95 }))).to.equal(false);
    });

    it('and takes a query operand, which a parameter must pass, where the column is searched only', async () => {
      const token = (of: number): Buffer => sealed({ element: of, flags: 3, bytes: 24 });
      expect(await accepts('email', token(element.email))).to.equal(true);
      expect(await accepts('name', token(element.name))).to.equal(false);
      expect(await accepts('email', Buffer.concat([token(element.email), Buffer.from([0])]))).to.equal(false);
    });

    it('but not as a value to be stored: not by INSERT, nor UPDATE, nor COPY', async () => {
      const token = sealed({ element: element.email, flags: 3, bytes: 24 });
      const stored = await failureOf(() => psql.query('insert into users (email) values ($1)', [token]));
      expect(stored).to.include({ code: 'OU001', message: 'oubli: a query operand was offered for storage in users' });
      const copied = await failureOf(() =>
        copyIn(psql, 'copy users (email) from stdin', `\\\\x${token.toString('hex')}\n`),
      );
      expect(copied.code).to.equal('OU001');
      await psql.query('begin');
      await psql.query('insert into users (email) values (null)');
      const updated = await failureOf(() => psql.query('update users set email = $1', [token]));
      expect(updated.code).to.equal('OU001');
      await psql.query('rollback');
    });
  });

  it('refuses in a CONTEXT line that quotes what COPY read: it stands in the server’s log, not in the message', async () => {
    // PostgreSQL adds it to any error of COPY, whatever refuses; log_error_verbosity = terse keeps it out of the log.
    const error = await expectRefused(() => copyIn(psql, 'copy users (name) from stdin', 'Ada\n'), 'Ada');
    expect(error.where).to.equal('COPY users, line 1, column name: "Ada"');
  });
});
