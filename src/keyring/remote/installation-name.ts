/** The name of an installation at a key service: part of the names of its remote keys, and of what each wrapped key is bound to. */
import { ConfigurationError } from '../../errors';

/** Fit for a transit key, a KMS alias and a policy that names them by pattern; no name is the beginning of another one's keys. */
const NAME = /^[a-z0-9](?:[a-z0-9]|-(?!-)){0,46}[a-z0-9]$/;

/** @throws ConfigurationError INSTALLATION_NAME */
export function refuseUnfitName(installation: string): void {
  if (!NAME.test(installation)) throw new ConfigurationError('INSTALLATION_NAME');
}
