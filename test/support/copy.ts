/** `COPY … FROM STDIN` over a plain `pg` client, as psql and loading tools do it. */
import type { Client } from 'pg';

interface Wire {
  query(sql: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

/** @param text rows in COPY's text format: tabs between columns, a line feed after each row */
export function copyIn(client: Client, sql: string, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const nothing = (): void => undefined;
    const submittable = {
      submit: (wire: Wire) => wire.query(sql),
      handleCopyInResponse: (wire: Wire) => {
        wire.sendCopyFromChunk(Buffer.from(text));
        wire.endCopyFrom();
      },
      handleError: reject,
      handleReadyForQuery: resolve,
      handleCommandComplete: nothing,
      handleRowDescription: nothing,
      handleDataRow: nothing,
      handleEmptyQuery: nothing,
    };
    client.query(submittable as never);
  });
}
