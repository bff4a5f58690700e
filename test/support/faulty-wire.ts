/**
 * A wire to PostgreSQL that breaks where it is told to: between a client and its server, it counts what the client asks for,
 * and cuts a connection before a request goes out, or when the server has carried it out and the answer is on its way. A cut
 * connection is what the server sees of `kill -9` as well.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export type Cut = 'unsent' | 'unanswered';

export interface FaultyWire {
  /** The same database, through this wire. */
  readonly url: string;
  /** How many requests have come since the wire was armed last. */
  readonly requests: number;
  /** The next requests are counted from 1, and the n-th is cut. @param struck called at that moment, before anything is closed */
  arm(n: number, cut: Cut, struck?: () => Promise<void> | void): void;
  /** Cuts the first request whose SQL matches. */
  armAt(sql: RegExp, cut: Cut): void;
  /** Nothing is cut from here on. */
  disarm(): void;
  /** Whether a request was cut since the wire was armed. */
  readonly hasStruck: boolean;
  close(): Promise<void>;
}

interface Trap {
  matches(n: number, sql: string): boolean;
  readonly cut: Cut;
  struck?(): Promise<void> | void;
}

export async function startFaultyWire(target: string): Promise<FaultyWire> {
  const { hostname, port } = new URL(target);
  const pairs = new Set<readonly [Socket, Socket]>();
  const wire = new Wire();
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    const pair = [client, upstream] as const;
    pairs.add(pair);
    const cut = (): void => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of pair) socket.on('error', cut).on('close', cut).setNoDelay(true);
    wire.join(client, upstream, cut);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return Object.assign(wire, {
    url: url.toString(),
    close: async () => {
      for (const pair of pairs) for (const socket of pair) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  });
}

class Wire implements Omit<FaultyWire, 'url' | 'close'> {
  requests = 0;
  hasStruck = false;
  private trap: Trap | undefined;

  arm(n: number, cut: Cut, struck?: () => Promise<void> | void): void {
    this.set({ matches: (count) => count === n, cut, ...(struck ? { struck } : {}) });
  }

  armAt(sql: RegExp, cut: Cut): void {
    this.set({ matches: (_, text) => sql.test(text), cut });
  }

  disarm(): void {
    this.trap = undefined;
  }

  join(client: Socket, upstream: Socket, cut: () => void): void {
    let answerIsCut = false;
    const requests = new Requests();
    client.on('data', async (bytes: Buffer) => {
      client.pause();
      for (const request of requests.read(bytes)) {
        const trap = this.met(request);
        if (trap) await trap.struck?.();
        if (trap?.cut === 'unsent') return cut();
        answerIsCut ||= trap !== undefined;
        upstream.write(request.bytes);
      }
      client.resume();
    });
    upstream.on('data', (bytes: Buffer) => {
      if (!answerIsCut) client.write(bytes);
      else if (isReadyAgain(bytes)) cut();
    });
  }

  private set(trap: Trap): void {
    this.trap = trap;
    this.requests = 0;
    this.hasStruck = false;
  }

  private met({ isCounted, sql }: Request): Trap | undefined {
    if (!isCounted) return undefined;
    this.requests += 1;
    if (!this.trap?.matches(this.requests, sql)) return undefined;
    const { trap } = this;
    this.trap = undefined;
    this.hasStruck = true;
    return trap;
  }
}

interface Request {
  readonly bytes: Buffer;
  readonly isCounted: boolean;
  readonly sql: string;
}

/**
 * What a client sends, cut into requests: the start-up packets, then messages of a type, a length and a body (PostgreSQL manual
 * 54.7). A request ends with Query or with Sync.
 */
class Requests {
  private rest: Buffer = Buffer.alloc(0);
  private hasStarted = false;

  *read(bytes: Buffer): Generator<Request> {
    this.rest = Buffer.concat([this.rest, bytes]);
    for (let request = this.next(); request; request = this.next()) yield request;
  }

  private next(): Request | undefined {
    let end = 0;
    for (;;) {
      const typed = this.hasStarted ? 1 : 0;
      if (this.rest.length < end + typed + 4) return undefined;
      const type = typed === 1 ? String.fromCharCode(this.rest[end] as number) : '';
      end += typed + this.rest.readInt32BE(end + typed);
      if (this.rest.length < end) return undefined;
      if (!this.hasStarted) {
        this.hasStarted = true;
        return this.take(end, false);
      }
      if (type === 'Q' || type === 'S') return this.take(end, true);
      if (type === 'p' || type === 'X') return this.take(end, false);
    }
  }

  private take(end: number, isCounted: boolean): Request {
    const bytes = this.rest.subarray(0, end);
    this.rest = this.rest.subarray(end);
    return { bytes, isCounted, sql: isCounted ? bytes.toString('latin1') : '' };
  }
}

/** ReadyForQuery is the last message of an answer: `Z`, its length 5, and the state of the transaction. */
function isReadyAgain(bytes: Buffer): boolean {
  return bytes.length >= 6 && bytes[bytes.length - 6] === 0x5a && bytes.readInt32BE(bytes.length - 5) === 5;
}
