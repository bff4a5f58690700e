/** The first scenes: what is personal is declared, keys are made, people arrive, and are seen from both sides. */
import { localKeys, type Oubli, oubli } from '../../src';
import { generateKeyFile } from '../../src/keyring/local-keys';
import { type Person, pickTwo, populate } from './people';
import { migrationSource } from './schema';
import type { Setting } from './setting';
import type { Stage } from './stage';
import { heldRow, rowTwice } from './views';

export async function declareWhatIsPersonal(stage: Stage, { migrating, psql }: Setting): Promise<void> {
  stage.scene('The migration says what is personal');
  stage.code(
    "t.text('email').personal({ category: 'contact.email', protect: 'encrypt', search: 'email', unique: true });",
  );
  await migrating.migrate.latest({ migrationSource });
  const { rows } = await psql.query(
    `select attname, format_type(atttypid, atttypmod) as type
     from pg_attribute where attrelid = 'users'::regclass and attnum > 0 order by attnum`,
  );
  stage.table(
    ['column of users', 'its type in PostgreSQL'],
    rows.map(({ attname, type }) => [attname, type]),
  );
  const sealed = rows.filter(({ type }) => type.startsWith('oubli.')).map(({ attname }) => attname);
  stage.promise(
    'the policy is the type of the column: no statement gets around it',
    sealed.join() === 'name,email,birth_date,last_ip',
    sealed,
  );
}

export async function makeKeys(stage: Stage, { keyFile, knex }: Setting): Promise<Oubli> {
  stage.scene('A key file, and one line in the application');
  await generateKeyFile(keyFile);
  const protectedInstance = await oubli(knex, { keys: localKeys({ file: keyFile }) });
  stage.code("const { db, subject } = await oubli(knex, { keys: localKeys({ file: './oubli.keys' }) });");
  stage.promise('the Knex instance is protected in place: no second handle to mix up', protectedInstance.db === knex);
  return protectedInstance;
}

export async function letPeopleIn(stage: Stage, { db }: Oubli): Promise<{ her: Person; another: Person }> {
  stage.scene('People arrive');
  stage.code("await db('users').insert({ name, email, birth_date, last_ip, locale });   // ordinary Knex");
  const { people, rows } = await populate(db);
  const [her, another] = await pickTwo(db, people);
  stage.say(
    Object.entries(rows)
      .map(([table, count]) => `${count} ${table}`)
      .join(', '),
  );
  const names = await db('users')
    .whereIn(
      'id',
      people.map(({ id }) => id),
    )
    .orderBy('id')
    .pluck('name');
  const expected = [...people].sort((a, b) => a.id - b.id).map(({ name }) => name);
  stage.promise('the application reads back what it wrote', JSON.stringify(names) === JSON.stringify(expected));
  return { her, another };
}

export async function seeBothSides(stage: Stage, { psql }: Setting, { db }: Oubli, her: Person): Promise<void> {
  stage.scene(`The same row from both sides`);
  stage.code(`select * from users where id = ${her.id};`);
  const columns = ['users', 'the application reads', 'PostgreSQL holds'];
  stage.table(columns, await rowTwice(db, psql, 'users', her.id));
  const held = await heldRow(psql, 'users', her.id);
  const clear = Object.entries(held).filter(([, text]) => text?.includes(her.name) || text?.includes(her.email));
  const isSealed = [held.name, held.email, held.birth_date].every((text) => text?.startsWith('\\xa70b01'));
  stage.promise('name, e-mail address and birth date are sealed', isSealed && clear.length === 0, held);
  const [one, other] = (
    await psql.query(
      'select name::text from users where id = $1 union all select signatory::text from contracts where user_id = $1',
      [her.id],
    )
  ).rows;
  stage.promise('the same name, sealed twice, is not the same twice', one.name !== other.name);
}
