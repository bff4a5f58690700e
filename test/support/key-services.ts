/** The key services that a guide speaks of, for its reader's project: their stand-ins, and what her environment says of them. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { KmsStandIn } from './kms-stand-in';
import { VaultStandIn } from './vault-stand-in';

/** Credentials that Amazon's client finds, and that a stand-in takes for any other. */
const CREDENTIALS = {
  AWS_ACCESS_KEY_ID: 'AKIAOFTHETESTS',
  AWS_SECRET_ACCESS_KEY: 'a-secret-of-the-tests',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
};

/** @returns what puts the environment back */
export function setEnvironment(values: Readonly<Record<string, string>>): () => void {
  const saved = Object.keys(values).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, values);
  return () => {
    for (const [name, value] of saved) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
}

export function setCredentials(): () => void {
  return setEnvironment(CREDENTIALS);
}

/** @returns what ends them */
export async function startKeyServices(folder: string): Promise<() => Promise<void>> {
  const [vault, kms] = [await new VaultStandIn().start(), await new KmsStandIn().start()];
  writeFileSync(path.join(folder, 'vault-token'), `${vault.token}\n`);
  const addresses = { VAULT_ADDR: vault.address, AWS_ENDPOINT_URL_KMS: kms.address };
  const restore = setEnvironment({ ...CREDENTIALS, ...addresses });
  return async () => {
    restore();
    await vault.stop();
    await kms.stop();
  };
}
