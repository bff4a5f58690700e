/** Keys from a file that only its owner may read: for one server, for development, for a mounted secret. */
import { open, stat } from 'node:fs/promises';
import { ConfigurationError } from '../errors';
import { newKeyDocument, parseKeyDocument } from './key-document';
import type { KeyMaterial, KeyProvider } from './provider';

const OWNER_ONLY = 0o600;
const GROUP_AND_OTHERS = 0o077;

/**
 * Reads the key document from a file.
 * @param options.file path of the document that `npx oubli keys generate` wrote
 * @throws ConfigurationError (at start) KEY_FILE_MISSING, KEY_FILE_OPEN (readable by others), KEY_DOCUMENT, KEY_INVALID
 * @example await oubli(knex, { keys: localKeys({ file: './oubli.keys' }) })
 */
export function localKeys(options: { file: string }): KeyProvider {
  const name = `file ${options.file}`;
  return { name, load: () => readKeys(options.file, name) };
}

/** Writes a fresh key document, readable by its owner only. @throws ConfigurationError KEY_FILE_EXISTS: never overwritten. */
export async function generateKeyFile(file: string): Promise<void> {
  const handle = await open(file, 'wx', OWNER_ONLY).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'EEXIST' ? new ConfigurationError('KEY_FILE_EXISTS', { file }) : error;
  });
  try {
    await handle.writeFile(newKeyDocument());
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readKeys(file: string, name: string): Promise<KeyMaterial> {
  const { mode } = await stat(file).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? new ConfigurationError('KEY_FILE_MISSING', { file }) : error;
  });
  // Windows has no such mode bits: there the directory's access list has to do it.
  if (process.platform !== 'win32' && (mode & GROUP_AND_OTHERS) !== 0)
    throw new ConfigurationError('KEY_FILE_OPEN', { file });
  const handle = await open(file, 'r');
  try {
    return parseKeyDocument(await handle.readFile('utf8'), name);
  } finally {
    await handle.close();
  }
}
