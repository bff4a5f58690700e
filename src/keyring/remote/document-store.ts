/**
 * Where a document of wrapped keys is kept: a file for one host, a table for several (`document-file.ts`, `document-table.ts`), or
 * whatever the team has that keeps a text durably and changes it in one step.
 */

/**
 * One text. What it holds is wrapped: who reads it has no key yet, but who loses it has lost every key.
 *
 * @example
 * const store: DocumentStore = { name: 'etcd /oubli/keys', create, read, change };
 */
export interface DocumentStore {
  /** How errors name it: `file ./oubli.keys.json`. */
  readonly name: string;
  /** Durable when it returns. @throws ConfigurationError where there is one already: it is never overwritten */
  create(text: string): Promise<void>;
  /** @throws ConfigurationError where there is none; KeyUnavailableError when a retry may help */
  read(): Promise<string>;
  /**
   * Changes the text in one step: of two processes that change it at once, the second changes what the first one wrote.
   * Durable when it returns.
   *
   * @param change pure; may be called again with what another process wrote meanwhile
   * @returns the text that stands there now
   */
  change(change: (text: string) => string): Promise<string>;
}
