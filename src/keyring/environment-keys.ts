/** Keys from an environment variable that holds the key document: for platforms that hand secrets over that way. */
import { ConfigurationError } from '../errors';
import { parseKeyDocument } from './key-document';
import type { KeyMaterial, KeyProvider } from './provider';

/**
 * Reads the key document from an environment variable (`OUBLI_KEYS` unless named otherwise) and leaves it there.
 * @throws ConfigurationError (at start) KEY_VARIABLE_MISSING, KEY_DOCUMENT, KEY_INVALID
 * @example await oubli(knex, { keys: environmentKeys() })
 */
export function environmentKeys(options: { variable?: string } = {}): KeyProvider {
  const variable = options.variable ?? 'OUBLI_KEYS';
  const name = `environment variable ${variable}`;
  const load = async (): Promise<KeyMaterial> => {
    const text = process.env[variable];
    if (!text) throw new ConfigurationError('KEY_VARIABLE_MISSING', { variable });
    return parseKeyDocument(text, name);
  };
  return { name, load };
}
