/** Verifies a certificate with the installation's public key: without database, without secrets, years later. */
import { ed25519 } from '../crypto/signature';
import { ConfigurationError } from '../errors';
import { CERTIFICATE_FORMAT, type SignedCertificate, signedBytes } from './certificate';

/**
 * @param publicKey hex, as the installation published it; not the one that stands in the file
 * @returns whether this installation wrote it, and nobody changed it since; false for anything malformed
 * @throws ConfigurationError BAD_PUBLIC_KEY
 * @example await verifyCertificate(JSON.parse(await readFile('certificate.json', 'utf8')), publicKey)
 */
export async function verifyCertificate(signed: unknown, publicKey: string): Promise<boolean> {
  if (!/^[0-9a-f]{64}$/i.test(publicKey)) throw new ConfigurationError('BAD_PUBLIC_KEY');
  if (!isSigned(signed) || !/^[0-9a-f]{128}$/i.test(signed.signature)) return false;
  const said = saidBy(signed);
  if (!said) return false;
  const { verify } = await ed25519();
  return verify(bytesOf(publicKey), said, bytesOf(signed.signature));
}

/** @returns undefined for what has no canonical text: numbers that are not whole, a nesting without end; no certificate has them */
function saidBy({ certificate }: SignedCertificate): Uint8Array | undefined {
  try {
    return signedBytes(certificate);
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) return undefined;
    throw error;
  }
}

export function isSigned(given: unknown): given is SignedCertificate {
  const { certificate, signature } = (given ?? {}) as Partial<SignedCertificate>;
  return typeof signature === 'string' && certificate?.format === CERTIFICATE_FORMAT;
}

function bytesOf(hex: string): Uint8Array {
  return Buffer.from(hex, 'hex');
}
