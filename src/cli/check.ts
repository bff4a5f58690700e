/**
 * `oubli check`: what the declarations leave open, as findings with a fix each; and what blind indexes and search tokens show. Reads the schema and
 * its statistics, never a row of a table.
 */
import { Command } from 'commander';
import { Client } from 'pg';
import { loadCatalogue } from '../catalogue/load';
import { undeclaredColumns } from '../checks/declarations';
import type { Finding } from '../checks/finding';
import { leaksOf, sayLeak } from '../checks/leakage';
import { sayTokenLeak, tokenLeaksOf } from '../checks/token-leakage';
import { verifySchema } from '../schema/install';
import { requiredUrl, urlOption } from './database';

export function checkVerb(): Command {
  return new Command('check')
    .description('find columns of personal tables that nobody declared; exit code 1 if there are any')
    .addOption(urlOption())
    .action(check);
}

async function check({ url }: { url?: string }): Promise<void> {
  const { findings, leaks } = await read(requiredUrl(url, 'check'));
  if (leaks.length > 0) console.log(['what search shows to whoever reads the database:', ...leaks].join('\n  '));
  for (const finding of findings) console.log(written(finding));
  console.log(
    findings.length === 0 ? 'every column of every personal table is declared' : `${findings.length} to declare`,
  );
  if (findings.length > 0) process.exitCode = 1;
}

async function read(url: string): Promise<{ findings: Finding[]; leaks: string[] }> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await verifySchema(client);
    const leaks = [...(await leaksOf(client)).map(sayLeak), ...(await tokenLeaksOf(client)).map(sayTokenLeak)];
    return { findings: undeclaredColumns(await loadCatalogue(client)), leaks };
  } finally {
    await client.end();
  }
}

function written({ says, fix }: Finding): string {
  return `${says}\n  fix: ${fix}`;
}
