/**
 * People who write to one another, a ring of them for each blow of a storm: three leave, one stays. What each stored row must be
 * when some of them have left is computed from the row as it was; whatever differs is named.
 */
import type { Knex } from 'knex';
import { keyIdOf } from '../../src/crypto/envelope';

type Row = Record<string, unknown> & { readonly id: number };
type Tables = Record<'messages' | 'pairs' | 'deals', Map<number, Row>>;

/** Somebody as she was before anything struck. */
interface Member {
  readonly id: number;
  readonly keyId: string;
}

const SIZE = 4;
const LEAVE = 3;
const ROWS = 10;
const TOMBSTONE = '0'.repeat(32);

export class Rings {
  private readonly members: Member[] = [];
  private readonly before: Tables = { messages: new Map(), pairs: new Map(), deals: new Map() };

  constructor(
    private readonly db: Knex,
    private readonly plain: Knex,
  ) {}

  /** How many are to leave. */
  get leaving(): number {
    return (this.members.length / SIZE) * LEAVE;
  }

  async add(): Promise<void> {
    const first = this.members.length + 1;
    const ring = Array.from({ length: SIZE }, (_, i) => first + i);
    const [a, b, c, stays] = ring as [number, number, number, number];
    await this.db('users').insert(ring.map((id) => ({ id, name: `person ${id}` })));
    const letter = letters((this.members.length / SIZE) * ROWS);
    await this.db('messages').insert([
      letter(a, b),
      letter(b, c),
      letter(c, a),
      letter(a, stays),
      letter(stays, b),
      letter(c, c),
      letter(stays, stays),
    ]);
    await this.db('messages').insert([letter(b, a, 'polite'), letter(c, stays, 'long')]);
    const place = (this.members.length / SIZE) * ROWS;
    const couples = [
      [a, b],
      [b, c],
      [c, stays],
      [stays, a],
    ] as const;
    await this.db('pairs').insert(
      couples.map(([a_id, b_id], i) => {
        const id = place + i;
        return { id, a_id, b_id, a_note: `a ${id}`, b_note: `b ${id}`, b_word: `word ${id}` };
      }),
    );
    await this.db('deals').insert(
      couples.map(([client_id, witness_id], i) => {
        const names = { client_name: `client ${place + i}`, witness_name: `witness ${place + i}` };
        return { id: place + i, client_id, witness_id, ...names, issued_on: '2024-01-31' };
      }),
    );
    await this.remember(ring, place);
    await this.plain('users').whereIn('id', [a, b, c]).update({ ended_on: '2020-01-01' });
  }

  /** Who is erased, and what is neither as it was nor as it has to be now. */
  async look(): Promise<{ erased: number; wrong: string[] }> {
    const snapshot = await this.plain.transaction((trx) => seen(trx), { isolationLevel: 'repeatable read' });
    const states = this.members.map((member) => stateOf(member, snapshot));
    const erased = new Set(this.members.filter((_, i) => states[i] === 'erased').map(({ id }) => id));
    const between = this.members.flatMap(({ id }, i) => (states[i] === 'between' ? [`person ${id} is between`] : []));
    const rows = [...this.messages(snapshot, erased), ...this.pairs(snapshot, erased), ...this.deals(snapshot, erased)];
    const strays = snapshot.lasting.filter((key) => !snapshot.named.has(key)).map(() => 'a key of nobody');
    const counts = this.members.flatMap((member) => (erased.has(member.id) ? this.counted(member, snapshot) : []));
    return { erased: erased.size, wrong: [...between, ...rows, ...strays, ...counts] };
  }

  private async remember(ring: readonly number[], place: number): Promise<void> {
    const links = await this.plain('oubli.subject_link')
      .where({ kind: 'user' })
      .whereIn('subject_id', ring.map(String));
    const keys = new Map(links.map((link) => [Number(link.subject_id), hex(link.key_id)]));
    for (const id of ring) this.members.push({ id, keyId: keys.get(id) ?? '' });
    for (const table of ['messages', 'pairs', 'deals'] as const) {
      for (const row of await this.plain(table).where('id', '>=', place)) this.before[table].set(row.id, row);
    }
  }

  private messages(now: Snapshot, erased: ReadonlySet<number>): string[] {
    return this.compared('messages', now, (row) => {
      const [sender, recipient] = [row.sender_id, row.recipient_id].map((id) => erased.has(id as number));
      if (sender && recipient && row.clerk_id === null) return undefined;
      return {
        ...row,
        ...(sender ? { sender_id: null, body: null } : {}),
        ...(recipient ? { recipient_id: null, reply: null, reply_pen: null, mood: null } : {}),
      };
    });
  }

  private pairs(now: Snapshot, erased: ReadonlySet<number>): string[] {
    return this.compared('pairs', now, (row) => {
      const [a, b] = [row.a_id, row.b_id].map((id) => erased.has(id as number));
      if (a && b) return undefined;
      const word = now.tables.pairs.get(row.id)?.b_word;
      const replaced = /^erased-[0-9a-f]{32}$/.test(String(word)) ? word : 'a tombstone';
      return {
        ...row,
        ...(a ? { a_note: key(TOMBSTONE) } : {}),
        ...(b ? { b_note: key(TOMBSTONE), b_word: replaced } : {}),
      };
    });
  }

  private deals(now: Snapshot, erased: ReadonlySet<number>): string[] {
    const kept = (id: unknown): KeyOf => key(now.links.get(Number(id))?.retained ?? 'a key of hers alone');
    return this.compared('deals', now, (row) => ({
      ...row,
      ...(erased.has(row.client_id as number) ? { client_name: kept(row.client_id) } : {}),
      ...(erased.has(row.witness_id as number) ? { witness_name: kept(row.witness_id) } : {}),
    }));
  }

  private compared(table: keyof Tables, now: Snapshot, expected: (row: Row) => object | undefined): string[] {
    return [...this.before[table]].flatMap(([id, row]) => {
      const there = now.tables[table].get(id);
      const due = expected(row);
      if (due === undefined || there === undefined)
        return due === there ? [] : [`${table} ${id} ${there ? 'is still there' : 'is gone'}`];
      const wrong = Object.entries(due).filter(([name, value]) => !same(there[name], value));
      return wrong.map(([name]) => `${table} ${id} ${name}`);
    });
  }

  /** Each row that she was in is in her receipt once, whoever left with it, before it and after it. */
  private counted({ id, keyId }: Member, { receipts }: Snapshot): string[] {
    const people = {
      messages: ['sender_id', 'recipient_id'],
      pairs: ['a_id', 'b_id'],
      deals: ['client_id', 'witness_id'],
    };
    const lines = receipts.get(keyId)?.[0] ?? [];
    return Object.entries(people).flatMap(([table, columns]) => {
      const rows = [...this.before[table as keyof Tables].values()];
      const hers = rows.filter((row) => columns.some((name) => row[name] === id)).length;
      const said = lines.filter((line) => line.table === table).reduce((sum, line) => sum + line.rows, 0);
      return said === hers ? [] : [`person ${id}: the receipt says ${said} of ${hers} ${table}`];
    });
  }
}

/** What is expected of a value is only whose key it names: it was sealed anew, or replaced. */
interface KeyOf {
  readonly keyOf: string;
}

const key = (keyOf: string): KeyOf => ({ keyOf });
const hex = (bytes: Uint8Array | null): string => (bytes === null ? '' : Buffer.from(bytes).toString('hex'));

function same(value: unknown, expected: unknown): boolean {
  if (Buffer.isBuffer(expected)) return Buffer.isBuffer(value) && value.equals(expected);
  if (expected instanceof Date) return value instanceof Date && value.getTime() === expected.getTime();
  if (typeof expected !== 'object' || expected === null) return value === expected;
  return Buffer.isBuffer(value) && hex(keyIdOf(value)) === (expected as KeyOf).keyOf;
}

interface Snapshot {
  readonly tables: Tables;
  readonly names: ReadonlyMap<number, unknown>;
  readonly links: ReadonlyMap<number, { readonly key: string; readonly retained: string; readonly marked: boolean }>;
  readonly keys: readonly string[];
  /** Without a date. A dated one may be left of an erasure that was rolled back, and ends a day later. */
  readonly lasting: readonly string[];
  /** Keys that a link names. */
  readonly named: ReadonlySet<string>;
  readonly fenced: ReadonlySet<string>;
  readonly receipts: ReadonlyMap<string, { readonly table: string; readonly rows: number }[][]>;
}

async function seen(trx: Knex): Promise<Snapshot> {
  const byId = async (table: string): Promise<Map<number, Row>> =>
    new Map((await trx(table).select()).map((row) => [row.id, row]));
  const tables = { messages: await byId('messages'), pairs: await byId('pairs'), deals: await byId('deals') };
  const users = await trx('users').select('id', 'name');
  const links = await trx('oubli.subject_link').select();
  const receipts = new Map<string, { table: string; rows: number }[][]>();
  for (const { key_id, details } of await trx('oubli.ledger').where({ act: 'erased' })) {
    receipts.set(hex(key_id), [...(receipts.get(hex(key_id)) ?? []), details.tables]);
  }
  return {
    tables,
    names: new Map(users.map(({ id, name }) => [id, name])),
    links: new Map(
      links
        .filter(({ kind }) => kind === 'user')
        .map((link) => [
          Number(link.subject_id),
          { key: hex(link.key_id), retained: hex(link.retained_key_id), marked: link.erased_at !== null },
        ]),
    ),
    keys: (await trx('oubli.subject_key').pluck('key_id')).map(hex),
    lasting: (await trx('oubli.subject_key').whereNull('keep_until').pluck('key_id')).map(hex),
    named: new Set(links.flatMap((link) => [hex(link.key_id), hex(link.retained_key_id)])),
    fenced: new Set((await trx('oubli.fence').pluck('key_id')).map(hex)),
    receipts,
  };
}

/** Her own row stays, for the law keeps what refers to it. */
function stateOf({ id, keyId }: Member, now: Snapshot): 'untouched' | 'erased' | 'between' {
  const link = now.links.get(id);
  const found = {
    named: typeof now.names.get(id) === 'object' && now.names.get(id) !== null,
    there: now.names.has(id),
    linked: link?.key === keyId,
    marked: link?.marked,
    kept: now.keys.includes(link?.retained ?? ''),
    hasKey: now.keys.includes(keyId),
    fenced: now.fenced.has(keyId),
    receipts: now.receipts.get(keyId)?.length ?? 0,
  };
  const is = (state: typeof found): boolean => JSON.stringify(found) === JSON.stringify(state);
  const there = true;
  if (is({ named: true, there, linked: true, marked: false, kept: false, hasKey: true, fenced: false, receipts: 0 }))
    return 'untouched';
  if (is({ named: false, there, linked: false, marked: true, kept: true, hasKey: false, fenced: true, receipts: 1 }))
    return 'erased';
  return 'between';
}

function letters(first: number): (sender_id: number, recipient_id: number, verdict?: string) => object {
  let id = first;
  return (sender_id, recipient_id, verdict) => {
    const about = verdict === undefined ? {} : { clerk_id: 1, verdict };
    const reply = { reply: `reply ${id}`, reply_pen: 'pen', mood: `mood ${id}` };
    return { sender_id, recipient_id, body: `body ${id}`, ...reply, ...about, id: id++ };
  };
}
