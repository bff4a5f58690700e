/**
 * The file that holds a key document: readable by its owner only, and never half written. It is replaced in one step by another one,
 * so that whoever reads it meanwhile gets one or the other, and a crash leaves one of them.
 */
import type { Stats } from 'node:fs';
import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { ConfigurationError, KeyUnavailableError } from '../errors';

const OWNER_ONLY = 0o600;
const GROUP_AND_OTHERS = 0o077;
/** Writing takes milliseconds: what stands there longer is of a process that was killed. */
const STALE_MS = 10_000;
const LOOK_MS = 20;
/** A mounted secret, another user's file or folder, a file that was mounted by itself. */
const READ_ONLY = new Set(['EROFS', 'EACCES', 'EPERM', 'EBUSY', 'EXDEV']);

/** On disk when it returns: what is sealed next is lost with it. @throws ConfigurationError KEY_FILE_EXISTS: never overwritten */
export async function createKeyFile(file: string, document: Uint8Array): Promise<void> {
  const handle = await open(file, 'wx', OWNER_ONLY).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'EEXIST' ? new ConfigurationError('KEY_FILE_EXISTS', { file }) : error;
  });
  try {
    await handle.writeFile(document);
    await handle.sync();
    await syncFolder(path.dirname(file));
  } finally {
    await handle.close();
  }
}

/** @returns what stands in it, to be overwritten where it holds keys @throws ConfigurationError KEY_FILE_MISSING, KEY_FILE_OPEN */
export async function readKeyFile(file: string): Promise<Buffer> {
  const { mode } = await statOf(file);
  // Windows has no such mode bits: there the directory's access list has to do it.
  if (process.platform !== 'win32' && (mode & GROUP_AND_OTHERS) !== 0)
    throw new ConfigurationError('KEY_FILE_OPEN', { file });
  const handle = await open(file, 'r');
  try {
    return await wholeOf(handle);
  } finally {
    await handle.close();
  }
}

/** Straight into one piece of memory: `readFile` may gather several, and leave them. A file is replaced, never grown. */
async function wholeOf(handle: FileHandle): Promise<Buffer> {
  const { size } = await handle.stat();
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    const { bytesRead } = await handle.read(bytes, at, size - at, at);
    if (bytesRead === 0) return bytes.subarray(0, at);
    at += bytesRead;
  }
  return bytes;
}

/**
 * Replaces what stands in the file, on disk when it returns; it stays its owner's, and where a link leads to. One process at a time.
 *
 * @param change of what stands there then, which is overwritten afterwards; may throw
 * @returns what stands there now, to be overwritten where it holds keys
 * @throws ConfigurationError EPOCHS_READ_ONLY, and those of reading; KeyUnavailableError KEY_FILE_BUSY
 */
export async function changeKeyFile(file: string, change: (document: Buffer) => Buffer): Promise<Buffer> {
  await statOf(file);
  const real = await realpath(file);
  const next = `${real}.next`;
  try {
    const handle = await openAlone(next, file);
    return await replaced(real, next, handle, change).catch(async (error: unknown) => {
      await rm(next, { force: true });
      throw error;
    });
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!READ_ONLY.has(code)) throw error;
    throw new ConfigurationError('EPOCHS_READ_ONLY', { provider: `file ${file}`, file, why: code });
  }
}

async function replaced(
  real: string,
  next: string,
  handle: FileHandle,
  change: (document: Buffer) => Buffer,
): Promise<Buffer> {
  try {
    const { uid, gid, mode } = await stat(real);
    const document = changed(await readKeyFile(real), change);
    await handle.chown(uid, gid); // root rotates, and the application goes on reading
    await handle.chmod(mode & 0o777);
    await handle.writeFile(document);
    await handle.sync();
    await rename(next, real);
    await syncFolder(path.dirname(real));
    return document;
  } finally {
    await handle.close();
  }
}

function changed(before: Buffer, change: (document: Buffer) => Buffer): Buffer {
  let after: Buffer | undefined;
  try {
    after = change(before);
    return after;
  } finally {
    if (after !== before) before.fill(0);
  }
}

/** Whoever has made the file that is to take the place is the one who writes. */
async function openAlone(next: string, file: string): Promise<FileHandle> {
  for (const began = Date.now(); ; await wait(LOOK_MS)) {
    try {
      return await open(next, 'wx', OWNER_ONLY);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    if (await isStale(next)) await rm(next, { force: true });
    else if (Date.now() - began > STALE_MS) throw new KeyUnavailableError('KEY_FILE_BUSY', { file });
  }
}

async function isStale(next: string): Promise<boolean> {
  try {
    return Date.now() - (await stat(next)).mtimeMs > STALE_MS;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false; // it was finished meanwhile
    throw error;
  }
}

/** A new name is on disk when its folder is (fsync(2)); Windows opens no folders. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function statOf(file: string): Promise<Stats> {
  return stat(file).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? new ConfigurationError('KEY_FILE_MISSING', { file }) : error;
  });
}
