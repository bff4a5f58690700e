/** The two remote key providers over their stand-ins, as tests of what both must do need them. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { awsKmsKeys, documentFile, type RemoteKeys, vaultTransitKeys } from '../../src';
import { setCredentials } from './key-services';
import { KmsStandIn } from './kms-stand-in';
import type { Fault, StandIn } from './stand-in';
import { VaultStandIn } from './vault-stand-in';

export interface Service {
  readonly standIn: StandIn;
  /** `attempts: 1` unless said otherwise: what is refused is refused at once. */
  keys(options?: {
    installation?: string;
    file?: string;
    attempts?: number;
    timeoutMs?: number;
    address?: string;
  }): RemoteKeys;
  /** The names of the remote keys that are there, for the roots and for epochs. */
  remoteKeys(): string[];
  readonly unwrapping: string;
  /** How it says that it is asked too often, and that it is broken. */
  readonly passing: readonly Fault[];
  readonly forbidden: Fault;
  readonly malformed: Fault;
}

export function vaultService(folder: () => string, standIn = new VaultStandIn()): Service {
  return {
    standIn,
    keys: ({ installation = 'shop', file = 'keys.json', address = standIn.address, ...patience } = {}) =>
      vaultTransitKeys({
        installation,
        address,
        token: standIn.token,
        document: documentFile({ file: path.join(folder(), file) }),
        attempts: 1,
        ...patience,
        ...(standIn.namespace && { namespace: standIn.namespace }),
      }),
    remoteKeys: () => [...standIn.keys.keys()],
    unwrapping: 'POST transit/decrypt/',
    passing: [
      { status: 429, body: { errors: ['request path "transit/decrypt": rate limit quota exceeded'] } },
      { status: 503, body: { errors: ['Vault is sealed'] } },
      { status: 473, body: { errors: [] } },
      { status: 307, headers: { location: 'http://elsewhere.invalid/' } },
      'cut',
    ],
    forbidden: { status: 403, body: { errors: ['permission denied'] } },
    malformed: { status: 200, body: '<html>Corporate proxy</html>' },
  };
}

export function kmsService(folder: () => string, standIn = new KmsStandIn()): Service {
  return {
    standIn,
    keys: ({ installation = 'shop', file = 'keys.json', address = standIn.address, ...patience } = {}) =>
      awsKmsKeys({
        installation,
        region: standIn.region,
        endpoint: address,
        document: documentFile({ file: path.join(folder(), file) }),
        attempts: 1,
        ...patience,
      }),
    remoteKeys: () => {
      const usable = [...standIn.aliases].filter(([, arn]) => standIn.keys.get(arn)?.state === 'Enabled');
      return usable.map(([alias]) => alias);
    },
    unwrapping: 'Decrypt',
    passing: [
      { status: 400, body: { __type: 'ThrottlingException', message: 'Rate exceeded' } },
      { status: 500, body: { __type: 'KMSInternalException' } },
      { status: 400, body: { __type: 'DependencyTimeoutException' } },
      { status: 503, body: 'upstream connect error' },
      'cut',
    ],
    forbidden: { status: 400, body: { __type: 'AccessDeniedException', message: 'User: arn:aws:iam::1:user/x' } },
    malformed: { status: 200, body: {} },
  };
}

/** A folder for documents and credentials for Amazon's client, while the tests of one `describe` run. */
export function remoteKeysWorld(): {
  folder(): string;
  document(file?: string): Promise<Document>;
  write(document: object): Promise<void>;
} {
  let folder: string;
  let restore: () => void;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'oubli-remote-'));
    restore = setCredentials();
  });
  after(async () => {
    restore();
    await rm(folder, { recursive: true });
  });
  return {
    folder: () => folder,
    document: async (file = 'keys.json') => JSON.parse(await readFile(path.join(folder, file), 'utf8')),
    write: (document) => writeFile(path.join(folder, 'keys.json'), JSON.stringify(document), { mode: 0o600 }),
  };
}

/** The document as it lies on disk. */
export interface Document {
  installation: string;
  service: string;
  format: number;
  index: { key: string; wrapped: string };
  ledger: { key: string; wrapped: string };
  epochs: Record<string, { key: string; wrapped?: string; state: string }>;
}
