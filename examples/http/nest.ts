/** NestJS 11 with a protected instance as a provider: inject it where a Knex instance would be injected. */
import 'reflect-metadata';
import { Body, Controller, type DynamicModule, Inject, Ip, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Knex } from 'knex';
import { type SignUp, signUp } from './service';

/** The protected instance; there is no other in the application, so that nobody injects an unprotected one. */
export const DATABASE = Symbol('the protected Knex instance');

@Controller('sign-ups')
class SignUpController {
  constructor(@Inject(DATABASE) private readonly db: Knex) {}

  /** `@Ip()` is Express's `req.ip` */
  @Post()
  create(@Body() body: SignUp, @Ip() ip: string): Promise<{ id: number }> {
    return signUp(this.db, body, ip);
  }
}

@Module({})
class AppModule {}

/** @param db what `await oubli(knex, { keys })` gave, before Nest starts */
function appModule(db: Knex): DynamicModule {
  return {
    module: AppModule,
    controllers: [SignUpController],
    providers: [{ provide: DATABASE, useValue: db }],
  };
}

/** @param proxies whom to believe about the visitor's address, as for Express (`express.ts`) */
export async function nestApp(db: Knex, proxies: string | false = false): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(appModule(db), { logger: false });
  app.set('trust proxy', proxies);
  return app;
}
