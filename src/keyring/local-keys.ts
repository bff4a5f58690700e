/** Keys from a file that only its owner may read: for one server, for development, for a mounted secret. */
import { wipe } from '../crypto/bytes';
import { secretCopy } from '../crypto/secret';
import { newKeyDocument, parseKeyDocument, withEpoch, withoutEpoch } from './key-document';
import { changeKeyFile, createKeyFile, readKeyFile } from './key-file';
import { type EpochProvider, handingOver, type KeyMaterial, refuseNoEpoch, wipeKeys } from './provider';

/**
 * Reads the key document from a file, and writes epochs into it. Servers that rotate must see one file: a mount, not a copy each.
 *
 * What it destroys is written out of the file, and the old file unlinked: what the disk keeps of it, and copies of it, are beyond it,
 * so it never calls that proven (ENVELOPE.md K7).
 *
 * @param options.file path of the document that `npx oubli keys generate` wrote
 * @throws ConfigurationError (at start) KEY_FILE_MISSING, KEY_FILE_OPEN (readable by others), KEY_DOCUMENT, KEY_INVALID;
 *   (when epochs are made or destroyed) BAD_EPOCH, EPOCHS_READ_ONLY, NEWEST_EPOCH; KeyUnavailableError KEY_FILE_BUSY
 * @example await oubli(knex, { keys: localKeys({ file: './oubli.keys' }) })
 */
export function localKeys({ file }: { file: string }): EpochProvider {
  const name = `file ${file}`;
  const change = async (changed: (document: Buffer) => Buffer): Promise<KeyMaterial> =>
    readOnce(await changeKeyFile(file, changed), name);
  return handingOver({
    name,
    load: async () => readOnce(await readKeyFile(file), name),
    openEpoch: async (epoch) => {
      refuseNoEpoch(epoch, name);
      const material = await change((document) => withEpoch(document, epoch, name));
      const key = secretCopy(material.epochs.get(epoch) as Uint8Array);
      wipeKeys(material);
      return key;
    },
    destroyEpoch: async (epoch) => {
      refuseNoEpoch(epoch, name);
      wipeKeys(await change((document) => withoutEpoch(document, epoch, name)));
      return { is: 'destroyed', proven: false, how: 'written out of the key file; who has a copy of it has the key' };
    },
  });
}

function readOnce(document: Buffer, name: string): KeyMaterial {
  try {
    return parseKeyDocument(document, name);
  } finally {
    wipe(document);
  }
}

/** Writes a fresh key document, readable by its owner only. @throws ConfigurationError KEY_FILE_EXISTS: never overwritten. */
export async function generateKeyFile(file: string): Promise<void> {
  const document = newKeyDocument();
  await createKeyFile(file, document).finally(() => wipe(document));
}
