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
       * @example t.decimal('total').notPersonal('an amount');
       */
      notPersonal(because: string): Knex.ColumnBuilder;
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
