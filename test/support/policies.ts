/** The policies that a guide shows, as the stand-ins of the services evaluate them: what is pasted from it is what was tested. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Policy } from './vault-stand-in';

const indentedIn = (guide: string): string =>
  readFileSync(path.join(__dirname, '..', '..', guide), 'utf8')
    .split('\n')
    .filter((line) => /^ {4}/.test(line))
    .join('\n');

/** HCL that stands indented, each policy after a comment with its name: `# oubli-application`. */
export function vaultPoliciesOf(guide: string): Record<string, Policy> {
  const policies: Record<string, { path: string; capabilities: string[] }[]> = {};
  let rules: { path: string; capabilities: string[] }[] = [];
  for (const line of indentedIn(guide).split('\n')) {
    const [, name] = /^ {4}# oubli-(\w+)$/.exec(line) ?? [];
    if (name) rules = policies[name] = [];
    const [, path_, capabilities] = /^ {4}path "([^"]+)" +\{ capabilities = \[(.+)\] \}$/.exec(line) ?? [];
    if (path_) rules.push({ path: path_, capabilities: JSON.parse(`[${capabilities}]`) });
  }
  return policies;
}

/** IAM statements that stand indented: the actions that each, by its `Sid`, allows. */
export function iamActionsOf(guide: string): Record<string, string[]> {
  const statements = [...indentedIn(guide).matchAll(/\{ "Sid": "(\w+)",.*?"Action": \[(.*?)\]/gs)];
  return Object.fromEntries(statements.map(([, sid, actions]) => [sid, JSON.parse(`[${actions}]`)]));
}
