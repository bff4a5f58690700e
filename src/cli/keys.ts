/** `oubli keys generate`: the first thing an installation needs, and the last it may lose. Key bytes are never printed. */
import { Command } from 'commander';
import { generateKeyFile } from '../keyring/local-keys';

export function keysVerb(): Command {
  const keys = new Command('keys').description('the keys that everything else is sealed under');
  keys
    .command('generate')
    .description('write a fresh key document, readable by its owner only; a file that exists is never overwritten')
    .option('--out <file>', 'where to write it', 'oubli.keys')
    .action(generate);
  return keys;
}

async function generate({ out }: { out: string }): Promise<void> {
  await generateKeyFile(out);
  console.log(`wrote ${out}, readable by you only`);
  console.log(`  back it up, apart from the database: without it, nothing that was sealed can be read again`);
  console.log(`  keep it out of version control:  echo '${out}' >> .gitignore`);
  console.log(`  start with it:  await oubli(knex, { keys: localKeys({ file: '${out}' }) })`);
}
