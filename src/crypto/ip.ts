/**
 * Truncation of IP addresses: what a column declared `protect: 'truncate-ip'` holds instead of the address. Done in the
 * client before anything is written; the operand of a query is truncated alike.
 *
 * IPv4 keeps 24 bits (CNIL, developer's guide: the last byte removed), IPv6 48. An IPv4 address wrapped in an IPv6 one
 * is unwrapped first: the first 48 bits of a 6to4 address *are* the whole IPv4 address.
 */
import ipaddr from 'ipaddr.js';
import { InvalidValueError, type Names } from '../errors';
import { readU32 } from './bytes';

export interface KeptBits {
  readonly v4: number;
  readonly v6: number;
}

export const DEFAULT_BITS: KeptBits = { v4: 24, v6: 48 };

/**
 * @param input one address, as logs and proxies write it: with a port (`[::1]:443`, `192.0.2.1:443`), a zone
 *   (`fe80::1%eth0`) or a mask (`192.0.2.1/32`), all of which are dropped. A mask must not be shorter than the bits
 *   kept: `10.0.0.0/8` is a network and nobody's address, and to store `10.0.0.0` would say more than was given.
 * @returns the text `host()` of PostgreSQL gives: RFC 5952, lower case, no mask
 * @throws {InvalidValueError} for anything else, also `010.0.0.1`, `127.1` and other forms programs differ on
 */
export function truncateIp(input: string, bits: KeptBits, names: Names): string {
  const address = typeof input === 'string' ? parseAddress(input.trim(), bits) : undefined;
  if (address === undefined) throw new InvalidValueError('VALUE_NOT_IP', names);
  return textOf(zeroAfter(keptBits(address, bits), address));
}

/** Four bytes or sixteen. */
type Address = Uint8Array;

/** Four decimal numbers without leading zeros (RFC 6943 §3.1.1): `010` is eight to some programs, ten to others. */
const OCTET = String.raw`(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)`;
const V4 = new RegExp(String.raw`^${OCTET}(?:\.${OCTET}){3}$`);
const V4_TAIL = new RegExp(String.raw`^(.*:)(${OCTET}(?:\.${OCTET}){3})$`);
const WITH_MASK = /^([^/[\]]+)\/(0|[1-9]\d{0,2})$/;
const BRACKETED = /^\[([^[\]]*:[^[\]]*)\](?::(\d{1,5}))?$/;
const V4_WITH_PORT = /^([\d.]+):(\d{1,5})$/;
const ZONE = /^([^%]*:[^%]*)%[\w.~-]+$/;

function parseAddress(text: string, bits: KeptBits): Address | undefined {
  const [, masked, mask] = WITH_MASK.exec(text) ?? [];
  const outer = parseHost(masked ?? withoutPort(text) ?? '');
  if (outer === undefined) return undefined;
  const inner = unwrap(outer);
  if (mask === undefined) return inner;
  return isHostMask(Number(mask), outer, inner, bits) ? inner : undefined;
}

/** A wrapped address takes only its full mask: the bits of `/120` lie elsewhere in each kind of wrapping. */
function isHostMask(mask: number, outer: Address, inner: Address, bits: KeptBits): boolean {
  const full = outer.length * 8;
  return mask <= full && mask >= (outer === inner ? keptBits(outer, bits) : full);
}

function withoutPort(text: string): string | undefined {
  const [, host, port] = BRACKETED.exec(text) ?? V4_WITH_PORT.exec(text) ?? [];
  if (host === undefined) return text;
  return Number(port ?? 0) <= 65_535 ? host : undefined;
}

function parseHost(host: string): Address | undefined {
  if (V4.test(host)) return Uint8Array.from(host.split('.'), Number);
  const hexadecimal = v4TailAsHex(ZONE.exec(host)?.[1] ?? host);
  if (!/^[\da-f:]+$/i.test(hexadecimal) || !ipaddr.IPv6.isValid(hexadecimal)) return undefined;
  return Uint8Array.from(ipaddr.IPv6.parse(hexadecimal).toByteArray());
}

/** `::ffff:192.0.2.1` as `::ffff:c000:201`, so that only our own strict reading of the four numbers counts. */
function v4TailAsHex(host: string): string {
  const [, head, tail] = V4_TAIL.exec(host) ?? [];
  if (head === undefined || tail === undefined) return host;
  const [a = 0, b = 0, c = 0, d = 0] = tail.split('.').map(Number);
  return `${head}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

/** Where an IPv4 address is hidden in an IPv6 one: under which first bytes, and from which byte on. */
const WRAPPINGS = [
  { prefix: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff], at: 12 }, // v4-mapped ::ffff:0:0/96, RFC 4291 §2.5.5.2
  { prefix: [0x20, 0x02], at: 2 }, // 6to4 2002::/16, RFC 3056
  { prefix: [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0], at: 12 }, // NAT64 64:ff9b::/96, RFC 6052
  { prefix: [0, 0x64, 0xff, 0x9b, 0, 1], at: 12 }, // NAT64 64:ff9b:1::/48, RFC 8215, in the form of a /96
] as const;

function unwrap(address: Address): Address {
  if (address.length === 4) return address;
  const wrapping = WRAPPINGS.find(({ prefix }) => prefix.every((byte, i) => address[i] === byte));
  if (wrapping) return address.subarray(wrapping.at, wrapping.at + 4);
  return isV4Compatible(address) ? address.subarray(12) : address;
}

/** `::a.b.c.d` (RFC 4291 §2.5.5.1). `::`, `::1` and others below `::1:0` are no IPv4: nothing lives in 0.0.0.0/16. */
function isV4Compatible(address: Address): boolean {
  return address.subarray(0, 12).every((byte) => byte === 0) && readU32(address, 12) > 0xffff;
}

function keptBits(address: Address, bits: KeptBits): number {
  return address.length === 4 ? bits.v4 : bits.v6;
}

function zeroAfter(bits: number, address: Address): Address {
  return address.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, bits - i * 8))));
}

function textOf(address: Address): string {
  return address.length === 4 ? address.join('.') : ipaddr.fromByteArray([...address]).toString();
}
