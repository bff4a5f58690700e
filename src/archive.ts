/** The intermediate archive, as an application speaks of it: read with a reason, and listed. */
import { refuseUnknownKeys } from './catalogue/suggest';
import { ConfigurationError } from './errors';
import type { Admit } from './keyring/scopes';
import { type Holding, listArchives } from './lifecycle/archive/holdings';
import { type ArchivedRow, type ArchiveReading, readArchive } from './lifecycle/archive/read';
import type { Engine } from './lifecycle/engine';

export class Archives {
  /** @param admitting whether so much may be opened, by the scopes of whoever reads */
  constructor(
    private readonly freshEngine: () => Promise<Engine>,
    private readonly admitting: () => Admit,
  ) {}

  /**
   * Rows of the archive, opened one batch after the other. The reason, the table, the number of rows and the reader's database role
   * stand in the ledger before the first row is given.
   *
   * @param reading.because who asked, on what ground
   * @throws ConfigurationError ARCHIVE_REASON, ARCHIVE_UNKNOWN_OPTION; when iterated, ARCHIVE_UNKNOWN_TABLE, ARCHIVE_UNREADABLE,
   *   ARCHIVE_ELSEWHERE: nothing was read then
   * @example for await (const { columns, until } of archive.read({ table: 'invoices', because: 'tax audit 2031' })) …
   */
  read(reading: ArchiveReading): AsyncIterable<ArchivedRow> {
    refuse('archive.read()', reading, ['table', 'because', 'subject', 'where']);
    refuse('where', reading.where ?? {}, ['entry', 'keyId', 'endsBy']);
    refuse('subject', reading.subject ?? {}, ['kind', 'id']);
    const { because } = reading;
    if (typeof because !== 'string' || because.trim() === '') throw new ConfigurationError('ARCHIVE_REASON');
    return this.rows(reading, this.admitting());
  }

  /** What each archive holds, of which table, and until when; the outbox of another database's archive too. */
  async list(): Promise<Holding[]> {
    return listArchives(await this.freshEngine());
  }

  private async *rows(reading: ArchiveReading, admit: Admit): AsyncGenerator<ArchivedRow> {
    yield* readArchive({ ...(await this.freshEngine()), admit }, reading);
  }
}

/** @throws ConfigurationError UNKNOWN_SETTING */
export function checkArchive(given: object = {}): void {
  refuseUnknownKeys(
    given,
    ['knex', 'role'],
    (given, suggestion) => new ConfigurationError('UNKNOWN_SETTING', { given: `archive.${given}`, suggestion }),
  );
}

function refuse(call: string, given: object, allowed: readonly string[]): void {
  refuseUnknownKeys(given, allowed, (key, suggestion) => {
    const choices = allowed.join(', ');
    return new ConfigurationError('ARCHIVE_UNKNOWN_OPTION', { call, given: key, suggestion, choices });
  });
}
