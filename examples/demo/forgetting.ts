/** The scenes this is for: her service ends, six months pass, pg-boss runs at night, and she is forgotten. */
import type { Client } from 'pg';
import { type Oubli, SubjectErasedError } from '../../src';
import { Nights } from './nights';
import type { Person } from './people';
import type { Setting } from './setting';
import type { Stage } from './stage';
import { asCell, localDay } from './views';

export async function endHerService(stage: Stage, { db, subject }: Oubli, her: Person): Promise<void> {
  stage.scene('Her service ends, in the transaction that ends her contract');
  stage.code(
    "await trx('contracts').where({ user_id }).update({ state: 'ended' });\nawait subject('user', user_id).serviceEnded({ trx });",
  );
  const cancel = (fails: boolean): Promise<void> =>
    db.transaction(async (trx) => {
      await trx('contracts').where({ user_id: her.id }).update({ state: 'ended' });
      await subject('user', her.id).serviceEnded({ trx });
      if (fails) throw new Rollback();
    });
  const anchor = async (): Promise<Date | null> =>
    (await db('users').where({ id: her.id }).first('service_ended_on')).service_ended_on;
  await cancel(true).catch((error: unknown) => {
    if (!(error instanceof Rollback)) throw error;
  });
  stage.promise('rolled back, the clock does not start', (await anchor()) === null, await anchor());
  await cancel(false);
  const ended = await anchor();
  stage.promise('committed, it does', ended !== null);
  if (ended) stage.say(`users.service_ended_on = ${localDay(ended)}, keep 6 months, then erase`);
}

/** Rolls the transaction back on purpose. */
class Rollback extends Error {}

export async function sixMonthsLater(stage: Stage, setting: Setting, oubli: Oubli, her: Person): Promise<void> {
  const nights = await Nights.begin(setting, oubli);
  try {
    await theDayBefore(stage, setting.psql, oubli, nights, her);
    await theDay(stage, setting.psql, oubli, nights, her);
  } finally {
    await nights.end();
  }
}

async function theDayBefore(stage: Stage, psql: Client, { db }: Oubli, nights: Nights, her: Person): Promise<void> {
  stage.scene('The day before six months are over');
  const night = await nights.before(await dueDay(psql, her));
  stage.say(`the clocks of oubli and pg-boss stand at ${night.at}; cron fires, the sweeps report:`);
  stage.table(
    ['rule', 'gone'],
    night.reports.map(({ rule, gone }) => [rule, String(gone)]),
  );
  const name = await db('users').where({ id: her.id }).first('name');
  stage.promise(
    'nothing happens: she is there, and readable',
    night.gone('subject:user') === 0 && name?.name === her.name,
    name,
  );
}

async function theDay(stage: Stage, psql: Client, { db }: Oubli, nights: Nights, her: Person): Promise<void> {
  stage.scene('Six months are over: pg-boss erases at night');
  const due = await dueDay(psql, her);
  const night = await nights.of(due);
  stage.say(`the clocks stand at ${night.at}; cron fires, the sweeps report:`);
  stage.table(
    ['rule', 'gone'],
    night.reports.map(({ rule, gone }) => [rule, String(gone)]),
  );
  stage.promise('she leaves on the day, and only she', night.gone('subject:user') === 1, night.reports);
  const rest = await db('users').whereNotNull('name').count('* as n').first();
  stage.promise('the 199 others are still there, and readable', Number(rest?.n) === 199, rest);
  await showReceipt(stage, psql);
  await showWhatIsKept(stage, psql, { db }, her, due);
  const again = await db('users').where({ email: her.email }).first();
  stage.promise('nobody can ask any more whether she was a customer: her index is gone too', again === undefined);
  const late = db('contracts').insert({ user_id: her.id, signatory: her.name, plan: 'basic', state: 'running' });
  const refusal = await late.then(
    () => undefined,
    (error: unknown) => error,
  );
  stage.promise('her key is destroyed, and a late write about her is refused', refusal instanceof SubjectErasedError);
}

interface ReceiptLine {
  readonly table: string;
  readonly action: string;
  readonly rows: number;
  readonly because?: string;
  readonly until?: string;
}

async function showReceipt(stage: Stage, psql: Client): Promise<void> {
  const { rows } = await psql.query(
    `select entry, to_char(at at time zone 'UTC', 'YYYY-MM-DD') as at, act, encode(key_id, 'hex') as key, because, details
     from oubli.ledger where act = 'erased' order by entry`,
  );
  const [entry] = rows;
  stage.promise('one receipt stands in the ledger, written by the statement that erased', rows.length === 1, rows);
  if (!entry) return;
  const lines = entry.details.tables as ReceiptLine[];
  stage.say(`receipt ${entry.entry}: a ${entry.details.kind} ${entry.act} on ${entry.at}`);
  stage.say(`because ${entry.because}; her only name left is the key id ${entry.key}`);
  stage.table(
    ['table', 'rows', 'what happened', 'because', 'until'],
    lines.map(({ table, rows, action, because, until }) => [table, String(rows), action, because ?? '', until ?? '']),
  );
}

async function showWhatIsKept(
  stage: Stage,
  psql: Client,
  { db }: Pick<Oubli, 'db'>,
  her: Person,
  due: string,
): Promise<void> {
  const invoices = await db('invoices').where({ user_id: her.id }).orderBy('id');
  const held = (await psql.query('select billed_to::text from invoices where user_id = $1 order by id', [her.id])).rows;
  stage.table(
    ['invoice', 'issued on', 'the application reads', 'PostgreSQL holds'],
    invoices.map((row, i) => [String(row.id), localDay(row.issued_on), row.billed_to, asCell(held[i]?.billed_to)]),
  );
  const isReadable = invoices.length >= 2 && invoices.every(({ billed_to }) => billed_to.startsWith(her.name));
  stage.promise(
    'what the law obliges to keep stays readable, under a key of its own, with its ground and its end',
    isReadable,
  );
  const left = await db('users').where({ id: her.id }).first();
  const personal = [left?.name, left?.email, left?.birth_date, left?.last_ip];
  stage.promise(
    'the row they refer to says nothing of her',
    personal.every((value) => value === null),
    left,
  );
  const visits = await db('visits').where({ user_id: her.id });
  const contracts = await db('contracts').where({ user_id: her.id });
  stage.promise(`her contract and her visits are gone since ${due}`, visits.length + contracts.length === 0);
}

/** By PostgreSQL's own arithmetic, which knows that no month is as long as another. */
async function dueDay(psql: Client, her: Person): Promise<string> {
  const sql = "select to_char(service_ended_on + interval '6 months', 'YYYY-MM-DD') as due from users where id = $1";
  return (await psql.query(sql, [her.id])).rows[0].due;
}
