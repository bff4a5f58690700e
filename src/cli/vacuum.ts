/** `oubli vacuum`: what every sweep ends with, by hand: tables that erasures touched are vacuumed, statistics forget who left. */
import { Command } from 'commander';
import { type InstanceOptions, withInstance, withInstanceOptions } from './database';

export function vacuumVerb(): Command {
  return withInstanceOptions(new Command('vacuum'))
    .description('vacuum the tables that erasures touched since the last time, and forget who left in their statistics')
    .action(vacuum);
}

async function vacuum(options: InstanceOptions): Promise<void> {
  const reports = await withInstance(options, 'vacuum', (instance) => instance.vacuum());
  if (reports.length === 0) console.log('no erasure touched a table since the last time, or another process is at it');
  for (const { table, rows, vacuum: done, statistics } of reports) {
    console.log(`${table}: ${rows} rows touched; vacuum: ${done}; statistics: ${statistics}`);
  }
}
