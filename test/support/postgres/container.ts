/** A PostgreSQL in a container, for machines where a Docker engine answers. */
import { request } from 'node:http';
import { asFlags, type PostgresServer, quickSettings, type Settings } from './server';

const image = 'postgres:18-alpine';

/** Asks the engine itself: an installed `docker` command says nothing about a running engine. */
export async function dockerAnswers(): Promise<boolean> {
  return new Promise((resolve) => {
    const ping = request({ ...engine(), path: '/_ping', timeout: 500 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    ping.on('timeout', () => ping.destroy());
    ping.on('error', () => resolve(false));
    ping.on('close', () => resolve(false));
    ping.end();
  });
}

function engine(): { socketPath: string } | { host: string; port: string } {
  const address = new URL(process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock');
  if (address.protocol === 'unix:') return { socketPath: address.pathname };
  return { host: address.hostname, port: address.port || '2375' };
}

export async function startContainer(settings: Settings): Promise<PostgresServer> {
  // Imported only here: the package takes half a second to load, and is of no use without an engine.
  const { PostgreSqlContainer } = await import('@testcontainers/postgresql');
  const flags = asFlags({ ...quickSettings, ...settings });
  const container = await new PostgreSqlContainer(image).withCommand(['postgres', ...flags]).start();
  return {
    url: container.getConnectionUri(),
    source: 'testcontainers',
    stop: async () => {
      await container.stop();
    },
  };
}
