/** What a migration may not say of personal data, each with a code and a fix that can be pasted. */
import { expect } from 'chai';
import knexPackage, { type Knex } from 'knex';
import { annotate, install, SCHEMA_VERSION } from '../../src';
import { createEmpty, type EmptyDatabase } from '../support/empty';
import { expectFix, failureOf, refusalOf } from '../support/refusals';

const sealed = { category: 'contact.email', protect: 'encrypt' } as const;
const searched = { ...sealed, search: 'email' } as const;
const service = { purpose: 'provide the service', basis: 'contract' } as const;

/** The body of an arrow function on one line: what stands in the migration. */
const codeOf = (declare: unknown): string =>
  String(declare)
    .replace(/^.*?=>/s, '')
    .replaceAll(/\s+/g, ' ');

describe('A migration is refused', () => {
  let empty: EmptyDatabase;
  before(async () => {
    empty = await createEmpty();
    await install(empty.knex, { version: SCHEMA_VERSION });
    await empty.knex.schema.createTable('users', (t) => {
      t.increments('id');
      t.text('email').personal(searched);
      t.specificType('ip', 'inet').personal({ category: 'connection.ip', protect: 'truncate-ip' });
      t.text('locale').notPersonal('a language tag singles nobody out');
      t.dataSubject('user', {
        ...service,
        retention: { from: { event: 'service_ended' }, keep: '6 months', then: 'erase' },
      });
    });
  });
  after(() => empty.end());
  afterEach(async () => {
    expect(await empty.rows(`select to_regclass('people')::text as there`)).to.deep.equal([{ there: null }]);
  });

  const creating = (declare: (t: Knex.CreateTableBuilder) => unknown) =>
    refusalOf(() =>
      empty.knex.schema.createTable('people', (t) => {
        t.increments('id');
        declare(t);
      }),
    );
  const altering = (declare: (t: Knex.AlterTableBuilder) => unknown) =>
    refusalOf(() => empty.knex.schema.alterTable('users', (t) => void declare(t)));

  describe('when a sealed column is given', () => {
    const constraints: [what: string, declare: (t: Knex.CreateTableBuilder) => unknown, fix: RegExp][] = [
      ['defaultTo', (t) => t.text('email').defaultTo('x@example.org').personal(sealed), /protect: 'encrypt' \}/],
      ['checkLength', (t) => t.text('email').checkLength('>', 3).personal(sealed), /in the application/],
      ['checkIn', (t) => t.text('email').checkIn(['a', 'b']).personal(sealed), /in the application/],
      ['unique', (t) => t.text('email').unique().personal(sealed), /search: 'exact', unique: true/],
      ['unique', (t) => t.text('email').personal(searched).unique(), /search: 'exact', unique: true/],
      ['unique', (t) => [t.text('email').personal(sealed), t.unique(['tenant', 'email'])], /unique: true/],
      ['index', (t) => t.text('email').personal(sealed).index(), /search: 'exact' \}/],
      ['index', (t) => [t.text('email').personal(sealed), t.index(['email', 'id'])], /search: 'exact' \}/],
      ['primary', (t) => [t.text('email').personal(sealed), t.primary(['email'])], /t\.uuid\('id'\)\.primary\(\)/],
      ['references', (t) => t.integer('email').references('users.id').personal(sealed), /t\.uuid\('id'\)/],
      [
        'references',
        (t) => [t.text('email').personal(sealed), t.foreign('email').references('users.email')],
        /t\.uuid/,
      ],
    ];
    for (const [what, declare, fix] of constraints) {
      it(`.${what}(), as in ${codeOf(declare)}`, async () => {
        const error = await creating(declare);
        expect(error).to.include({ code: 'CONSTRAINT_ON_SEALED', table: 'people', column: 'email' });
        expect(error.message).to.contain(`'${what}' would look at ciphertext`);
        expectFix(error, fix, ['x@example.org']);
        expectFix(error, new RegExp(`people\\.email, instead of \\.${what}\\(\\)`));
      });
    }

    const later: [what: string, declare: (t: Knex.AlterTableBuilder) => unknown][] = [
      ['unique', (t) => t.unique(['email'])],
      ['unique', (t) => t.unique(['locale', 'email'], { indexName: 'both' })],
      ['index', (t) => t.index('email')],
      ['primary', (t) => t.primary(['email'])],
      ['references', (t) => t.foreign('email').references('users.email')],
    ];
    for (const [what, declare] of later) {
      it(`.${what}() by a later migration, as in ${codeOf(declare)}`, async () => {
        const error = await altering(declare);
        expect(error).to.include({ code: 'CONSTRAINT_ON_SEALED', table: 'users', column: 'email' });
        expectFix(error, new RegExp(`users\\.email, instead of \\.${what}\\(\\)`));
      });
    }
  });

  it('not when the other columns of the table get an index', async () => {
    await empty.knex.schema.alterTable('users', (t) => {
      t.index(['locale', 'ip']);
      t.unique(['id', 'locale']);
    });
  });

  it('when .alter() would redeclare a column', async () => {
    const error = await altering((t) => t.text('locale').personal(sealed).alter());
    expect(error).to.include({ code: 'ALTER_DECLARED', table: 'users', column: 'locale' });
    expectFix(error, /await annotate\(knex, 'users', \{ columns: \{ locale: \{ … \} \} \}\)/);
  });

  it('when .alter() would give a protected column another type, and so store plaintext from then on', async () => {
    for (const column of ['email', 'ip']) {
      const error = await altering((t) => t.text(column).alter());
      expect(error).to.include({ code: 'ALTER_DECLARED', table: 'users', column });
    }
    await empty.knex.schema.alterTable('users', (t) => t.text('email').nullable().alter({ alterType: false }));
    await empty.knex.schema.alterTable('users', (t) => t.string('locale', 35).alter());
    const [type] = await empty.rows(`select format_type(atttypid, atttypmod) as type from pg_attribute
      where attrelid = 'users'::regclass and attname = 'email'`);
    expect(type).to.deep.equal({ type: 'oubli."users.email"' });
  });

  it('when a table that may exist already is declared', async () => {
    for (const declare of [
      (t: Knex.CreateTableBuilder) => t.text('email').personal(sealed),
      (t: Knex.CreateTableBuilder) => t.text('locale').notPersonal('no'),
      (t: Knex.CreateTableBuilder) => t.personalData(service),
    ]) {
      const error = await refusalOf(() => empty.knex.schema.createTableIfNotExists('people', (t) => void declare(t)));
      expect(error).to.include({ code: 'IF_NOT_EXISTS', table: 'people' });
      expectFix(error, /createTable\('people', …\)/);
    }
  });

  describe('when a type cannot be protected:', () => {
    const types: [sentence: string, declare: (t: Knex.CreateTableBuilder) => Knex.ColumnBuilder, protect?: string][] = [
      ['a uuid', (t) => t.uuid('x')],
      ['a real', (t) => t.float('x')],
      ['a double', (t) => t.double('x')],
      ['a time', (t) => t.time('x')],
      ['an array of texts', (t) => t.specificType('x', 'text[]')],
      ['an enumeration of Knex, which is a check', (t) => t.enu('x', ['a', 'b'])],
      ['an enumeration of PostgreSQL', (t) => t.enu('x', ['a', 'b'], { useNative: true, enumName: 'ab' })],
      ['a serial number', (t) => t.increments('x', { primaryKey: false })],
      ['a network address', (t) => t.specificType('x', 'inet')],
      ['a text with a collation', (t) => t.specificType('x', 'text collate "C"')],
    ];
    for (const [sentence, declare] of types) {
      it(sentence, async () => {
        const error = await creating((t) => declare(t).personal(sealed));
        expect(error).to.include({ code: 'TYPE_NOT_PROTECTABLE', table: 'people', column: 'x' });
        expectFix(error, /t\.text\('x'\)\.personal\(\{ …, protect: 'encrypt' \}\)/);
      });
    }

    it('an integer as an IP address, or as a pseudonym', async () => {
      const ip = await creating((t) => t.integer('x').personal({ category: 'connection.ip', protect: 'truncate-ip' }));
      expect(ip).to.include({ code: 'TYPE_NOT_PROTECTABLE', column: 'x' });
      const pseudonym = await creating((t) =>
        t.integer('x').personal({ category: 'account.id', protect: 'pseudonymise' }),
      );
      expect(pseudonym).to.include({ code: 'TYPE_NOT_PROTECTABLE', column: 'x' });
    });
  });

  it('when the category is misspelt, saying which was meant', async () => {
    const error = await creating((t) => t.text('email').personal({ ...sealed, category: 'contact.emial' } as never));
    expect(error).to.include({ code: 'UNKNOWN_CATEGORY', table: 'people', column: 'email' });
    expect(error.message).to.contain("did you mean 'contact.email'?");
    expectFix(error, /\.personal\(\{ category: 'contact\.email', protect: 'encrypt' \}\) {2}\/\/ people\.email/);
  });

  it('when clear text, a column that is not personal, or what is kept has no reason', async () => {
    const clear = await creating((t) =>
      t.text('email').personal({ category: 'contact.email', protect: 'clear' } as never),
    );
    expect(clear).to.include({ code: 'CLEAR_WITHOUT_BECAUSE', column: 'email' });
    expectFix(clear, /because: 'say why'/);
    const silent = await creating((t) => t.text('locale').notPersonal(' '));
    expect(silent).to.include({ code: 'NOT_PERSONAL_WITHOUT_BECAUSE', column: 'locale' });
    expectFix(silent, /\.notPersonal\('say why'\)/);
    const kept = await creating((t) => t.personalData({ ...service, onErase: 'keep' } as never));
    expect(kept).to.include({ code: 'KEEP_WITHOUT_GROUND', table: 'people' });
    expectFix(kept, /because: '/);
  });

  it('when a column of few values is to be searched', async () => {
    const error = await creating((t) =>
      t.text('gender').personal({ category: 'identity.gender', protect: 'encrypt', search: 'exact' }),
    );
    expect(error).to.include({ code: 'LEAKY_SEARCH', column: 'gender' });
    const flag = await creating((t) => t.boolean('member').personal({ ...sealed, search: 'exact' }));
    expect(flag).to.include({ code: 'LEAKY_SEARCH', column: 'member' });
  });

  it('when a second table has subjects of the same kind', async () => {
    const subjects = {
      ...service,
      retention: { from: { event: 'service_ended' }, keep: '6 months', then: 'erase' },
    } as const;
    const error = await refusalOf(() =>
      empty.knex.transaction((trx) =>
        trx.schema.createTable('people', (t) => {
          t.increments('id');
          t.dataSubject('user', subjects);
        }),
      ),
    );
    expect(error).to.include({ code: 'KIND_TAKEN', table: 'people' });
    expect(error.message).to.contain("the subjects of kind 'user' are the rows of users already");
    expectFix(error, /t\.dataSubject\('user_of_people'/);
  });

  it('when nothing names the subject', async () => {
    const error = await refusalOf(() =>
      empty.knex.transaction((trx) =>
        trx.schema.createTable('people', (t) => {
          t.integer('tenant');
          t.integer('number');
          t.primary(['tenant', 'number']);
          t.dataSubject('person', {
            ...service,
            retention: { from: { event: 'service_ended' }, keep: '6 months', then: 'erase' },
          });
        }),
      ),
    );
    expect(error).to.include({ code: 'NO_SINGLE_KEY', table: 'people' });
    expectFix(error, /id: 'public_id'/);
  });

  describe('when a person could be written in two ways,', () => {
    const person = {
      ...service,
      retention: { from: { event: 'service_ended' }, keep: '6 months', then: 'erase' },
    } as const;
    const declaring = (declare: (t: Knex.CreateTableBuilder) => unknown, id?: string): Promise<unknown> =>
      empty.knex.transaction((trx) =>
        trx.schema.createTable('people', (t) => {
          declare(t);
          t.dataSubject('person', id === undefined ? person : { ...person, id });
        }),
      );

    const twofold: [type: string, declare: (t: Knex.CreateTableBuilder) => unknown, column?: string][] = [
      ['numeric(8,2)', (t) => t.decimal('id').primary()],
      ['numeric', (t) => t.specificType('id', 'numeric').primary()],
      ['character(8)', (t) => t.specificType('id', 'char(8)').primary()],
      ['real', (t) => t.float('id').primary()],
      ['date', (t) => t.date('id').primary()],
      ['timestamp with time zone', (t) => t.timestamp('id').primary()],
      ['inet', (t) => t.specificType('id', 'inet').primary()],
      ['bytea', (t) => t.binary('id').primary()],
      ['any_case collate any_case', (t) => t.specificType('id', 'any_case').primary()],
      ['text collate any_case', (t) => t.specificType('id', 'text collate any_case').primary()],
      ['amount', (t) => t.specificType('id', 'amount').primary()],
      [
        'oubli."people.id~new"',
        (t) => t.text('id').personal({ category: 'account.id', protect: 'pseudonymise' }),
        'id',
      ],
      ['oubli."people.id~new"', (t) => t.text('id').personal({ category: 'account.id', protect: 'encrypt' }), 'id'],
    ];
    before(async () => {
      await empty.psql.query(`create collation any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        create domain any_case as text collate any_case; create domain amount as numeric; create domain user_id as uuid`);
    });
    for (const [type, declare, column] of twofold) {
      it(`as in ${codeOf(declare)}`, async () => {
        const error = await refusalOf(() => declaring(declare, column));
        expect(error).to.include({ code: 'SUBJECT_ID_TYPE', table: 'people', column: 'id' });
        expect(error.message).to.contain(`equal values of type ${type} have several spellings`);
        expectFix(error, /id: 'public_id' \}\)\s+\/\/ t\.uuid\('public_id'\)/);
      });
    }

    it('but not where it has one form', async () => {
      for (const declare of [
        (t: Knex.CreateTableBuilder) => t.smallint('id').primary(),
        (t: Knex.CreateTableBuilder) => t.bigIncrements('id'),
        (t: Knex.CreateTableBuilder) => t.uuid('id').primary(),
        (t: Knex.CreateTableBuilder) => t.text('id').primary(),
        (t: Knex.CreateTableBuilder) => t.string('id', 8).primary(),
        (t: Knex.CreateTableBuilder) => t.specificType('id', 'user_id').primary(),
      ]) {
        await declaring(declare);
        await empty.knex.schema.dropTable('people');
      }
    });

    it('also by raw SQL, and by annotate() on a Knex that knows nothing of declarations', async () => {
      await empty.psql.query('create table accounts (number numeric primary key)');
      const raw = await failureOf(() =>
        empty.psql.query(`select oubli.annotate_table('accounts', 'account', 'number', '{}')`),
      );
      expect(raw).to.include({ code: 'OU016', table: 'accounts', column: 'number' });
      const missing = await failureOf(() =>
        empty.psql.query(`select oubli.annotate_table('accounts', 'account', 'nummer', '{}')`),
      );
      expect(missing.code).to.equal('OU010');
      const plain = empty.connect({ client: 'pg' });
      const error = await refusalOf(() =>
        annotate(plain, 'accounts', { subject: { kind: 'account', ...person }, columns: {} }),
      );
      expect(error).to.include({ code: 'SUBJECT_ID_TYPE', table: 'accounts', column: 'number' });
      expect(await empty.rows(`select from oubli.personal_table where subject_kind = 'account'`)).to.deep.equal([]);
    });
  });

  it('when its client would ignore the declarations, before anything is created', async () => {
    const knex = knexPackage({ client: 'pg', connection: empty.url });
    try {
      for (const [method, declare] of [
        ['.personal()', (t: Knex.CreateTableBuilder) => t.text('email').personal(sealed)],
        ['.notPersonal()', (t: Knex.CreateTableBuilder) => t.text('locale').notPersonal('no')],
        ['.personalData()', (t: Knex.CreateTableBuilder) => t.personalData(service)],
        ['.dataSubject()', (t: Knex.CreateTableBuilder) => t.dataSubject('user', {} as never)],
      ] as const) {
        const error = await refusalOf(() => knex.schema.createTable('people', (t) => void declare(t)));
        expect(error.code).to.equal('NOT_ANNOTATING');
        expect(error.message).to.contain(method);
        expectFix(error, /client: AnnotatingClient/);
      }
    } finally {
      await knex.destroy();
    }
  });

  it('and what PostgreSQL itself refuses stays PostgreSQL’s', async () => {
    const error = await failureOf(() => empty.knex.schema.createTable('users', (t) => t.increments('id')));
    expect(error.code).to.equal('42P07');
  });
});
