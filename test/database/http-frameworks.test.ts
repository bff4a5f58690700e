/** The servers of `examples/http`, asked over HTTP on this machine: each stores a truncated address, and believes no header by itself. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { expressApp } from '../../examples/http/express';
import { fastifyApp } from '../../examples/http/fastify';
import { nestApp } from '../../examples/http/nest';
import { migrate } from '../../examples/http/service';
import { sourcesIn } from '../support/imports';
import { createWorld, type World } from '../support/world';

interface Listening {
  readonly url: string;
  close(): Promise<unknown>;
}

type Start = (db: Knex, proxies: string | false) => Promise<Listening>;

const LOCAL = '127.0.0.1';
const urlOf = (server: Server): string => `http://${LOCAL}:${(server.address() as AddressInfo).port}`;

const startExpress: Start = async (db, proxies) => {
  const server = expressApp(db, proxies).listen(0, LOCAL);
  await new Promise((listening) => server.once('listening', listening));
  return { url: urlOf(server), close: () => new Promise((closed) => server.close(closed)) };
};
const startFastify: Start = async (db, proxies) => {
  const app = fastifyApp(db, proxies);
  return { url: await app.listen({ port: 0, host: LOCAL }), close: () => app.close() };
};
const startNest: Start = async (db, proxies) => {
  const app = await nestApp(db, proxies);
  await app.listen(0, LOCAL);
  return { url: urlOf(app.getHttpServer() as Server), close: () => app.close() };
};

const root = path.join(__dirname, '..', '..');
const FORGED = '203.0.113.77';

describe('HTTP frameworks', () => {
  let world: World;
  let number = 0;

  before(async () => {
    world = await createWorld({ migrate });
  });
  after(() => world.end());

  /** Signs up as somebody who claims to be elsewhere, and gives back what is stored of her. */
  const signUp = async (start: Start, proxies: string | false): Promise<{ email: Buffer; last_ip: string }> => {
    const app = await start(world.db, proxies);
    try {
      const response = await fetch(`${app.url}/sign-ups`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-forwarded-for': FORGED, connection: 'close' },
        body: JSON.stringify({ email: `visitor${++number}@example.org` }),
      });
      const { id } = (await response.json()) as { id: number };
      expect(response.status).to.equal(201);
      return await world.plain('users').where({ id }).first();
    } finally {
      await app.close();
    }
  };

  for (const [name, start] of Object.entries({ Express: startExpress, Fastify: startFastify, NestJS: startNest })) {
    it(`${name}: the address of the connection is stored truncated, whatever X-Forwarded-For says`, async () => {
      const stored = await signUp(start, false);
      expect(stored.last_ip).to.equal('127.0.0.0');
      expect(stored.email.subarray(0, 3).toString('hex')).to.equal('a70b01');
    });

    it(`${name}: the address that a trusted proxy gives is stored truncated`, async () => {
      expect((await signUp(start, 'loopback')).last_ip).to.equal('203.0.113.0');
    });

    it(`${name}: who signs up again from elsewhere is the same person`, async () => {
      const before = Number((await world.plain('users').count())[0]?.count);
      await signUp(start, false);
      number -= 1;
      expect((await signUp(start, 'loopback')).last_ip).to.equal('203.0.113.0');
      expect(Number((await world.plain('users').count())[0]?.count)).to.equal(before + 1);
    });
  }

  it('no source of ours reads the header', () => {
    // sources, not texts: the fix of VALUE_NOT_IP names it
    const named = sourcesIn(root, 'src').filter(
      ({ file, text }) => file !== 'src/messages.ts' && /forwarded/i.test(text),
    );
    expect(named.map(({ file }) => file)).to.deep.equal([]);
  });
});
