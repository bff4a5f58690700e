/** Fastify 5 with a protected instance. */
import fastify, { type FastifyInstance } from 'fastify';
import type { Knex } from 'knex';
import { type SignUp, signUp } from './service';

/**
 * @param proxies whom to believe about the visitor's address: false without a reverse proxy, 'loopback' for one on this machine,
 *   or the proxies' own addresses. Never `true`, which believes whoever sends the header.
 *   https://fastify.dev/docs/latest/Reference/Server/#trustproxy
 */
export function fastifyApp(db: Knex, proxies: string | false = false): FastifyInstance {
  const app = fastify({ trustProxy: proxies });
  app.post<{ Body: SignUp }>('/sign-ups', async (req, reply) => {
    reply.code(201);
    return signUp(db, req.body, req.ip);
  });
  return app;
}
