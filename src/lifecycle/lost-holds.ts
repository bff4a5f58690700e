/**
 * Holds and restrictions that were placed after the backup (ERASURE.md H1, S1): the journal knows that they stood, by keyed references and key
 * ids only, and not what they held. Whoever is held may not leave, so a replay stops until they are placed again.
 */
import { RestoreReplayRequiredError } from '../errors';
import { caseReference, type JournalEntry } from '../registers/journal';
import type { Engine } from './engine';
import { foundByReference } from './found-by-reference';

type Standing = JournalEntry & { readonly act: 'hold placed' | 'restricted' };

const HELD_PEOPLE = `
select kind, subject_id, null::text as subject, true as restricted from oubli.restriction
union all select kind, subject_id, null, false from oubli.person_held
union all select null, null, encode(subject, 'hex'), false from oubli.held_archive`;
const HOLDING = `
select c.name from oubli.hold_case c where c.released_at is null and (
  exists (select from oubli.held_row r where r.case_id = c.id) or exists (select from oubli.held_person p where p.case_id = c.id)
  or exists (select from oubli.held_archive a where a.case_id = c.id))`;
const LIVING = 'select key_id from oubli.subject_key where key_id = any($1::bytea[])';
/** Who was erased before the backup, and of whom something is archived. */
const ARCHIVED = `
select distinct encode(subject, 'hex') as subject from oubli.archive_key where subject = any($1::bytea[])`;
/** Named in an error; whoever is not is found when these are placed. */
const NAMED = 20;

/** Of the journal's entries, in any order, what was placed and neither released, lifted nor outlived. */
export class LostHolds {
  private placed: Standing[] = [];
  /** When a case was released last, a restriction lifted, a person erased. */
  private readonly ended = new Map<string, bigint>();

  see(entry: JournalEntry): void {
    if (isStanding(entry)) this.placed.push(entry);
    if (entry.act === 'hold released' && entry.case) this.ends(`case ${entry.case}`, entry);
    if (entry.act === 'restriction lifted') this.ends(`restriction ${entry.key}`, entry);
    if (entry.act === 'erased') this.ends(`person ${entry.key}`, entry);
  }

  /** Of these entries, when all were seen. */
  keepThose(lost: readonly JournalEntry[]): void {
    const links = new Set(lost.map(({ link }) => link));
    this.placed = this.placed.filter((entry) => links.has(entry.link) && !this.hasEnded(entry));
  }

  /** @throws RestoreReplayRequiredError REPLAY_HOLDS_LOST */
  async refuse(engine: Engine, journal: string): Promise<void> {
    const again = await placedAgain(engine);
    const lost = this.placed.filter((entry) => !again.has(named(entry)));
    const standing = lost.length === 0 ? [] : await ofPeopleHere(engine, lost);
    if (standing.length === 0) return;
    const people = [...new Set(standing.flatMap(({ key }) => key ?? []))];
    throw new RestoreReplayRequiredError('REPLAY_HOLDS_LOST', {
      journal,
      holds: standing.filter(({ act }) => act === 'hold placed').length,
      restrictions: standing.filter(({ act }) => act === 'restricted').length,
      keys: people.slice(0, NAMED).join(', '),
    });
  }

  private ends(what: string, { at }: JournalEntry): void {
    const moment = BigInt(at);
    if (moment >= (this.ended.get(what) ?? 0n)) this.ended.set(what, moment);
  }

  private hasEnded({ act, key, case: of, at }: Standing): boolean {
    const own = act === 'restricted' ? `restriction ${key}` : `case ${of}`;
    return [own, `person ${key}`].some((what) => (this.ended.get(what) ?? -1n) >= BigInt(at));
  }
}

function isStanding(entry: JournalEntry): entry is Standing {
  return entry.act === 'hold placed' || entry.act === 'restricted';
}

/** What has to stand: the person under any case, or restricted; single rows, which the journal does not name, under their case. */
function named({ act, subject, case: of }: Standing): string {
  return subject === undefined ? `case ${of}` : `${act} ${subject}`;
}

async function placedAgain({ database, keys, ledgerKeys }: Engine): Promise<Set<string>> {
  return database.snapshot(async (snapshot) => {
    const people = (await snapshot.query(HELD_PEOPLE)).rows;
    const cases = (await snapshot.query(HOLDING)).rows;
    return new Set([
      ...people.map(({ kind, subject_id: id, subject, restricted }) => {
        const reference = subject ?? keys.referenceOf(String(kind), String(id)).toString('hex');
        return `${restricted ? 'restricted' : 'hold placed'} ${reference}`;
      }),
      ...cases.map(({ name }) => `case ${caseReference(ledgerKeys, String(name))}`),
    ]);
  });
}

/** Whoever came after the backup is not here to be held. */
async function ofPeopleHere(engine: Engine, lost: readonly Standing[]): Promise<Standing[]> {
  const keyIds = lost.flatMap(({ key }) => (key === null ? [] : [Buffer.from(key, 'hex')]));
  const { rows } = await engine.database.snapshot((snapshot) => snapshot.query(LIVING, [keyIds]));
  const living = new Set(rows.map(({ key_id }) => Buffer.from(key_id as Uint8Array).toString('hex')));
  const gone = lost.filter(({ key, subject }) => key !== null && !living.has(key) && subject !== undefined);
  const references = gone.map(({ subject }) => Buffer.from(String(subject), 'hex'));
  const archived = await engine.database.snapshot((snapshot) => snapshot.query(ARCHIVED, [references]));
  const here = new Set(archived.rows.map(({ subject }) => String(subject)));
  for await (const found of foundByReference(engine, new Set(gone.map(({ subject }) => String(subject)))))
    for (const reference of found.references.keys()) here.add(reference);
  return lost.filter(({ key, subject }) => key === null || living.has(key) || here.has(String(subject)));
}
