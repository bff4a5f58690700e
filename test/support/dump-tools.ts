/** The client programs of the server's own version, where this machine has them. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import knexPackage from 'knex';

const run = promisify(execFile);

/** @returns or why there are none */
export async function toolsFor(url: string): Promise<{ dump: string; restore: string } | string> {
  const knex = knexPackage({ client: 'pg', connection: url });
  const { rows } = await knex.raw('show server_version_num').finally(() => knex.destroy());
  const major = Math.floor(Number(rows[0].server_version_num) / 10_000);
  for (const folder of ['', `/usr/lib/postgresql/${major}/bin/`, `/opt/homebrew/opt/postgresql@${major}/bin/`]) {
    const dump = `${folder}pg_dump`;
    if (folder !== '' && !existsSync(dump)) continue;
    const said = await run(dump, ['--version']).catch((error: { code?: string }) => error.code ?? 'failed');
    if (typeof said === 'object' && Number(/\d+/.exec(said.stdout)?.[0]) >= major) {
      return { dump, restore: `${folder}pg_restore` };
    }
  }
  return `no pg_dump of version ${major} or newer on this machine`;
}
