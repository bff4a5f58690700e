/** What every source of a PostgreSQL server hands out. */

/** Server parameters by name, as in postgresql.conf. */
export type Settings = Readonly<Record<string, string>>;

export interface PostgresServer {
  /** A superuser's connection string to the maintenance database. */
  readonly url: string;
  readonly source: 'env' | 'testcontainers' | 'embedded';
  /** Where the cluster's files stand, when they stand on this machine. */
  readonly dataDirectory?: string;
  /** What the server prints; statements too, under `log_statement=all`. */
  readonly logFile?: string;
  /** An immediate shutdown, as of a power cut, and the start after it; of a server whose files stand on this machine. */
  crash?(): Promise<void>;
  /** Stops the server and deletes its files. Of a server that was given, stops nothing. */
  stop(): Promise<void>;
}

/** Nothing here has to survive a power cut, so nothing waits for the disk. */
export const quickSettings: Settings = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '200',
  wal_level: 'logical',
};

export function asFlags(settings: Settings): string[] {
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}
