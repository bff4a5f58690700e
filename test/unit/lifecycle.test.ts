import { expect } from 'chai';
import type { Column, Table } from '../../src/catalogue/model';
import { ConfigurationError } from '../../src/errors';
import { anonymisingAssignments } from '../../src/lifecycle/anonymise';
import { isLocked, isRace, retried } from '../../src/lifecycle/database';
import { rootType, rowColumn } from '../../src/lifecycle/root';
import { SweepFailure } from '../../src/lifecycle/sweep-failure';
import { csv } from '../../src/rights/csv';
import { jsonArray } from '../../src/rights/json-array';
import { pathOf } from '../../src/rights/manifest';
import type { ExportedRow } from '../../src/rights/personal-rows';
import type { PortableTable } from '../../src/rights/portable';

function tableOf(columns: Record<string, Partial<Column>>, more: Partial<Table> = {}): Table {
  const all = Object.entries(columns).map(([name, column], place): [string, Column] => [
    name,
    {
      name,
      position: place + 1,
      type: 'text',
      notNull: true,
      defaultSql: undefined,
      identityAlways: false,
      element: undefined,
      spec: undefined,
      ...column,
    } as Column,
  ]);
  const table = {
    oid: 1,
    schema: 'public',
    name: 'users',
    sqlName: 'users',
    displayName: 'users',
    guarded: false,
    isView: false,
    parents: [],
    isPartition: false,
    triggers: [],
    rules: [],
    primaryKey: ['id'],
    declaration: undefined,
  };
  return { ...table, columns: new Map(all), ...more };
}

const failure = (code: string, more: object = {}): Error => Object.assign(new Error('a message'), { code, ...more });

describe('The name of what leaves', () => {
  it('is cast without length or precision, which would cut it down to another name', () => {
    const types = {
      'character varying(3)': 'character varying',
      'character(3)': 'bpchar',
      character: 'bpchar',
      'numeric(10,2)': 'numeric',
      'timestamp(3) without time zone': 'timestamp without time zone',
      uuid: 'uuid',
      '"char"': '"char"',
    };
    for (const [type, cast] of Object.entries(types)) {
      expect(rootType({ root: tableOf({ id: { type } }), rootColumn: 'id' }), type).to.equal(cast);
    }
  });

  it('is the place of a row whose primary key is not one column', () => {
    expect(rowColumn(tableOf({}))).to.equal('id');
    expect(rowColumn(tableOf({}, { primaryKey: [] }))).to.equal('ctid');
    expect(rowColumn(tableOf({}, { primaryKey: ['user_id', 'seq'] }))).to.equal('ctid');
  });
});

describe('What an anonymised column holds', () => {
  const clear = (more: object = {}): Partial<Column> => ({
    spec: { category: 'contact.handle', protect: 'clear', because: 'a test', origin: 'provided', ...more } as never,
  });
  const of = (column: Partial<Column>): string[] => anonymisingAssignments(tableOf({ name: column }), 't', "'salt'");

  it('is NULL where it may be', () => {
    expect(of({ ...clear(), notNull: false })).to.deep.equal(['"name" = null']);
  });

  it('is what the declaration gives, as a literal of its type', () => {
    expect(of({ ...clear({ replaceWith: "it's" }), type: 'citext' })).to.deep.equal([`"name" = 'it''s'::citext`]);
  });

  it('fits the length that is declared, or is asked for', () => {
    expect(of({ ...clear(), type: 'character varying(20)' })[0]).to.match(/left\(md5\(.*\), 20\)/);
    for (const type of ['character varying(8)', 'integer', 'date', 'boolean']) {
      expect(() => of({ ...clear(), type }), type).to.throw(/needs a value to hold/);
    }
  });

  it('leaves what is not personal', () => {
    expect(of({ spec: { notPersonal: 'a test' } })).to.deep.equal([]);
  });
});

describe('A lost race', () => {
  it('is run again, a few times', async () => {
    let attempts = 0;
    const work = async (): Promise<string> => {
      attempts += 1;
      if (attempts < 3) throw failure('40P01');
      return 'done';
    };
    expect(await retried(work)).to.equal('done');
    expect(attempts).to.equal(3);
  });

  it('ends at last with its own error, and other errors end at once', async () => {
    for (const [code, times] of Object.entries({ 40001: 5, 23503: 5, 23505: 1, '55P03': 1 })) {
      let attempts = 0;
      const error = await retried(async () => {
        attempts += 1;
        throw failure(code);
      }).catch((raised: unknown) => raised);
      expect(error).to.include({ code });
      expect(attempts, code).to.equal(times);
    }
    expect([isLocked(failure('55P03')), isRace(failure('55P03')), isLocked('55P03')]).to.deep.equal([
      true,
      false,
      false,
    ]);
  });
});

describe('Why a sweep failed', () => {
  it('is told without what a message or a detail of PostgreSQL quotes', () => {
    const error = failure('23505', {
      table: 'users',
      constraint: 'users_key',
      detail: 'Key (email)=(ada@example.org)',
    });
    error.message = 'ada@example.org';
    const told = SweepFailure.from('subject:user', error);
    expect(told.message).to.equal('the sweep of subject:user failed: 23505 users users_key');
    expect(JSON.stringify({ ...told, stack: told.stack, cause: told.cause })).not.to.contain('ada@');
  });

  it('is an error of ours as it is', () => {
    const error = new ConfigurationError('NO_BOSS');
    expect(SweepFailure.from('subject:user', error)).to.equal(error);
  });
});

describe('A file of an export', () => {
  const portable = (columns: Record<string, string>, schema = 'public', name = 'users'): PortableTable =>
    ({
      table: { schema, name },
      columns: Object.entries(columns).map(([column, type]) => ({
        column: { name: column, type, element: undefined },
      })),
    }) as never;

  async function* rowsOf(...rows: ExportedRow[]): AsyncGenerator<ExportedRow> {
    yield* rows;
  }

  async function text(pieces: AsyncIterable<string | Buffer>): Promise<string> {
    let all = '';
    for await (const piece of pieces) all += piece;
    return all;
  }

  it('has a path of its own that stays inside the archive', () => {
    expect(pathOf(portable({}), 'csv')).to.equal('users.csv');
    expect(pathOf(portable({}, 'billing'), 'json')).to.equal('billing.users.json');
    expect(pathOf(portable({}, 'public', '../etc/passwd\\%'), 'json')).to.equal('..%2Fetc%2Fpasswd%5C%25.json');
  });

  it('is an empty JSON array, or a CSV header, where there are no rows', async () => {
    expect(JSON.parse(await text(jsonArray(portable({ a: 'text' }), rowsOf())))).to.deep.equal([]);
    expect(await text(csv(portable({ a: 'text', 'b c': 'text' }), rowsOf()))).to.equal('a,b c\r\n');
  });

  it('is JSON in which no number is another when it is read back', async () => {
    const row = { a: '9007199254740993', b: '42', c: '0.10', d: 't', e: null, f: '{"x":1}', g: '0x' };
    const types = { a: 'bigint', b: 'integer', c: 'numeric', d: 'boolean', e: 'integer', f: 'jsonb', g: 'text' };
    expect(JSON.parse(await text(jsonArray(portable(types), rowsOf(row, row))))[1]).to.deep.equal({
      ...row,
      b: 42,
      d: true,
      f: { x: 1 },
    });
  });

  it('is CSV that no spreadsheet runs', async () => {
    const dangerous = ['=1+1', '+1+1', '-1+1', '@SUM(A1)', '\t=1', '\r=1', '＝1', '-'];
    const harmless = ['-1', '-1.50', 'a=b', '1-1', ' '];
    const lines = await text(csv(portable({ a: 'text' }), rowsOf(...[...dangerous, ...harmless].map((a) => ({ a })))));
    for (const each of dangerous) expect(lines, each).to.contain(`'${each}`);
    for (const each of harmless) expect(lines, each).to.contain(`\r\n${each}\r\n`);
  });
});
