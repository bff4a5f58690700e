/** A document of wrapped keys in a file that only its owner may read, for one host or a mount that several share. */
import { ConfigurationError, OubliError } from '../../errors';
import { changeKeyFile, createKeyFile, readKeyFile } from '../key-file';
import type { DocumentStore } from './document-store';

/**
 * @param options.file its path; made by `create()` of the key provider, replaced in one step, never half written
 * @throws ConfigurationError WRAPPED_DOCUMENT_MISSING, WRAPPED_DOCUMENT_EXISTS, KEY_FILE_OPEN (readable by others), EPOCHS_READ_ONLY;
 *   KeyUnavailableError KEY_FILE_BUSY
 * @example awsKmsKeys({ installation: 'shop', region: 'eu-west-3', document: documentFile({ file: './oubli.keys.json' }) })
 */
export function documentFile({ file }: { file: string }): DocumentStore {
  const store = `file ${file}`;
  const missing = insteadOf('KEY_FILE_MISSING', 'WRAPPED_DOCUMENT_MISSING', store);
  return {
    name: store,
    create: (text) =>
      createKeyFile(file, Buffer.from(text)).catch(insteadOf('KEY_FILE_EXISTS', 'WRAPPED_DOCUMENT_EXISTS', store)),
    read: async () => String(await readKeyFile(file).catch(missing)),
    change: async (change) =>
      String(await changeKeyFile(file, (before) => Buffer.from(change(String(before)))).catch(missing)),
  };
}

/** What mends it is another call than for a file of keys. */
function insteadOf(
  of: OubliError['code'],
  code: 'WRAPPED_DOCUMENT_MISSING' | 'WRAPPED_DOCUMENT_EXISTS',
  store: string,
): (error: unknown) => never {
  return (error) => {
    throw error instanceof OubliError && error.code === of ? new ConfigurationError(code, { store }) : error;
  };
}
