/** Keys from an environment variable that holds the key document: for platforms that hand secrets over that way. */
import { ConfigurationError } from '../errors';
import { parseKeyDocument } from './key-document';
import { handingOver, type KeyMaterial, type KeyProvider } from './provider';

/**
 * Reads the key document from an environment variable (`OUBLI_KEYS` unless named otherwise) and leaves it there: it stands in the
 * memory of the process for as long as that lives, also after `close()`, and in its core dumps.
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
  return handingOver({ name, load });
}
