/** A journal in a folder of its own, and connections that are closed before the database goes. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import knexPackage, { type Knex } from 'knex';
import { fileJournal, type Journal } from '../../src';

export interface JournalFile {
  readonly file: string;
  readonly journal: Journal;
  remove(): Promise<void>;
}

export async function makeJournalFile(): Promise<JournalFile> {
  const folder = await mkdtemp(path.join(tmpdir(), 'oubli-journal-'));
  const file = path.join(folder, 'oubli.journal');
  return { file, journal: fileJournal({ file }), remove: () => rm(folder, { recursive: true }) };
}

/** Pools of processes that start anew, as a test has them. */
export class Pools {
  private readonly pools: Knex[] = [];

  connect(url: string): Knex {
    const knex = knexPackage({ client: 'pg', connection: url, pool: { min: 0, max: 3 } });
    this.pools.push(knex);
    return knex;
  }

  async end(): Promise<void> {
    for (const pool of this.pools.splice(0)) await pool.destroy();
  }
}
