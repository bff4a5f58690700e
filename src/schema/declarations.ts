/**
 * What oubli adds to Knex's schema builder, as types: the words a migration uses to say what is personal, whose it is,
 * and how long it stays. Importing `oubli` brings them in; the methods themselves are hung in by the client.
 *
 * Result types are written `Knex.ColumnBuilder`, not `ColumnBuilder`: unqualified, the type check passes and the build
 * fails (TS4057), so that the published types would lack all of this.
 */
import type {} from 'knex';
import type { PersonalSpec, SubjectSpec, TableSpec } from '../catalogue/spec';

declare module 'knex' {
  namespace Knex {
    interface ColumnBuilder {
      /**
       * Says that this column holds personal data, what it is about, and how it is protected at rest.
       *
       * @throws AnnotationError with the declaration corrected, when the types were circumvented
       * @example
       * t.text('email').personal({ category: 'contact.email', protect: 'encrypt', search: 'email', unique: true });
       * t.specificType('ip', 'inet').personal({ category: 'connection.ip', protect: 'truncate-ip', origin: 'observed' });
       */
      personal(spec: PersonalSpec): Knex.ColumnBuilder;

      /**
       * Says that this column of a personal table holds nothing about a person, and why: a column that is silent is a
       * finding of `oubli check`.
       *
       * @param measured `quasiIdentifier: true`, where it singles somebody out together with other columns; `sensitive: true`,
       *   where it says what nobody may learn of those
       * @example
       * t.decimal('total').notPersonal('an amount');
       * t.text('postcode').notPersonal('a district of thousands', { quasiIdentifier: true });
       */
      notPersonal(
        because: string,
        measured?: { readonly quasiIdentifier?: true; readonly sensitive?: true },
      ): Knex.ColumnBuilder;
    }

    interface QueryBuilder<TRecord extends {}, TResult> {
      /**
       * Sorts by a sealed column: the rows are read without limit and offset, opened, sorted in this process, and cut to what was
       * asked for. The time and memory of it grow with `cap`, which bounds what is read. An `.orderBy()` after it decides
       * between equal values. Not in sub-queries, streams, unions, groups.
       *
       * @param column a sealed column, as `'name'` or `'u.name'`
       * @param options `cap`: the most rows; `direction`: `'asc'`; `nulls`: as in PostgreSQL; `locale`: `'en'`
       * @throws UnsupportedQueryError ORDER_CAP when more rows are found; ORDER_PLACE, ORDER_DECRYPTS_NOTHING,
       *   BAD_DECRYPTED_ORDER
       * @example await db('users').where({ ward: 3 }).orderByDecrypted('name', { cap: 1000 }).limit(20);
       */
      orderByDecrypted(
        column: (keyof Knex.ResolveTableType<TRecord> & string) | `${string}.${string}`,
        options: {
          readonly cap: number;
          readonly direction?: 'asc' | 'desc';
          readonly nulls?: 'first' | 'last';
          readonly locale?: string;
        },
      ): Knex.QueryBuilder<TRecord, TResult>;
    }

    interface TableBuilder {
      /**
       * Says that the rows of this table are the data subjects, and how long they stay (GDPR Art. 5(1)(e)).
       *
       * @param kind what a person of this table is called in requests and receipts: one lower-case word
       * @example
       * t.dataSubject('user', {
       *   purpose: 'provide the service',
       *   basis: 'contract',
       *   retention: { from: 'service_ended_on', keep: '6 months', then: 'erase' },
       * });
       */
      dataSubject(kind: string, spec: SubjectSpec): Knex.TableBuilder;

      /**
       * Says that this table holds data about a subject found through its foreign key: why, on what basis, for how
       * long, and what the subject's erasure does to it.
       *
       * @example
       * t.personalData({
       *   purpose: 'invoicing',
       *   basis: 'legal_obligation',
       *   retention: { from: 'issued_on', keep: '10 years', then: 'delete', because: 'Code de commerce L123-22' },
       * });
       */
      personalData(spec: TableSpec): Knex.TableBuilder;
    }
  }
}
