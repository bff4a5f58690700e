/** Express 5 with a protected instance. */
import express, { type Express } from 'express';
import type { Knex } from 'knex';
import { type SignUp, signUp } from './service';

/**
 * @param proxies whom to believe about the visitor's address: false without a reverse proxy, 'loopback' for one on this machine,
 *   or the proxies' own addresses ('10.0.0.0/8'). Never `true`: it takes the first entry of X-Forwarded-For, which the visitor writes.
 *   https://expressjs.com/en/guide/behind-proxies.html
 */
export function expressApp(db: Knex, proxies: string | false = false): Express {
  const app = express();
  app.set('trust proxy', proxies);
  app.use(express.json());
  app.post('/sign-ups', async (req, res) => {
    res.status(201).json(await signUp(db, req.body as SignUp, req.ip));
  });
  return app;
}
