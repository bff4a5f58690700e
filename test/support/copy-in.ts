/** COPY … FROM STDIN over a plain `pg` connection: PostgreSQL's other way in, which no driver code of ours sees. */
import type { Client } from 'pg';

interface CopyConnection {
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
  sendCopyFail(message: string): void;
}

/** @throws the server's error */
export function copyIn(client: Client, sql: string, data: string): Promise<void> {
  return new Promise((resolve, reject) => {
    (client as unknown as { query(submittable: object): void }).query({
      submit: (connection: CopyConnection) => connection.query(sql),
      handleCopyInResponse: (connection: CopyConnection) => {
        connection.sendCopyFromChunk(Buffer.from(data));
        connection.endCopyFrom();
      },
      handleCommandComplete: () => undefined,
      handleEmptyQuery: () => undefined,
      handleError: reject,
      handleReadyForQuery: () => resolve(),
    });
  });
}
