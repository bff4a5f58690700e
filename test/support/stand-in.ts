/**
 * What the stand-ins of key services have in common: an HTTP server on this host that can fail as a service fails. They speak the wire
 * protocol of the service they stand in for, and are not it: what a service does that its documentation does not say is not in them.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How the next request fails, whatever it asks: an answer, no answer at all, or a connection that is cut. */
export type Fault = 'silent' | 'cut' | Answer;

export interface Answer {
  readonly status: number;
  /** Sent as JSON; a text is sent as it is, as a proxy's error page is. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export abstract class StandIn {
  /** What was asked, in order, as the service names it. */
  readonly calls: string[] = [];
  private readonly faults: Fault[] = [];
  private server: Server | undefined;
  private port = 0;

  get address(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Also again after `stop`, at the same address. */
  async start(): Promise<this> {
    this.server = createServer((request, response) => void this.serve(request, response));
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
    return this;
  }

  /** From then on connections are refused. */
  async stop(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (!server) return;
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }

  /** The next requests fail so, one after the other; those after them are answered. */
  failNext(...faults: Fault[]): void {
    this.faults.push(...faults);
  }

  protected abstract nameOf(request: IncomingMessage): string;
  protected abstract answer(request: IncomingMessage, body: Record<string, unknown>): Answer;

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    this.calls.push(this.nameOf(request));
    const fault = this.faults.shift();
    if (fault === 'silent') return;
    if (fault === 'cut') return void request.socket.destroy();
    const text = Buffer.concat(chunks).toString();
    const { status, body, headers } = fault ?? this.answer(request, text === '' ? {} : JSON.parse(text));
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body));
  }
}
