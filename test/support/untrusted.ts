/** A server whose certificate nobody signed: what stands between a service and us, or a service whose authority Node was not told of. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';

/** Of the tests only, valid for a hundred years, trusted by nobody. */
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg37MYvJjna2v777mK
Ir4VvvmprMP0PqJQseIdf2dWFA2hRANCAARm1YzNLOr4EHqwN1Jd3ICuXerFkUgX
uhl/8tP2tLOfaMZabFSAuqDx1mlVErMb9OyPlwEQzj/97X6PLGGbXVo5
-----END PRIVATE KEY-----`;
const cert = `-----BEGIN CERTIFICATE-----
MIIBfzCCASWgAwIBAgIUFswjZVjt0j4F9d7HzJ5yAaFr6xIwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNDAxNDQzNloYDzIxMjYxMDMx
MDE0NDM2WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARm1YzNLOr4EHqwN1Jd3ICuXerFkUgXuhl/8tP2tLOfaMZabFSAuqDx
1mlVErMb9OyPlwEQzj/97X6PLGGbXVo5o1MwUTAdBgNVHQ4EFgQUEg7jaggZP0Me
wikOY65+tJMooO0wHwYDVR0jBBgwFoAUEg7jaggZP0MewikOY65+tJMooO0wDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiAq5Vsdzpc5zzwbJHW/Ie3o
nGO9ZmK1p6NbIra88Oo3kwIhAJGimMtTJjFGagSSpvmFyg2E3ZDLpxh/4mgl8VO6
H9I7
-----END CERTIFICATE-----`;

export async function startUntrusted(): Promise<{ address: string; server: Server }> {
  const server = createServer({ key, cert }, (_, response) => response.end('{}')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { address: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}
