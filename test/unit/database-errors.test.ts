/** What PostgreSQL says of a value it could not read, without the value: in whichever language its messages come. */
import { expect } from 'chai';
import { withoutValues } from '../../src/knex/database-errors';

describe('An error of PostgreSQL', () => {
  const raised = (message: string, code = '22P02'): Error =>
    Object.assign(new Error(message), { code, table: 'users', detail: 'Ada', where: 'Ada', internalQuery: 'Ada' });

  for (const message of [
    'invalid input syntax for type inet: "Ada"',
    'value "Ada" of "Ada"\nis no number',
    'ungültige Eingabesyntax für Typ inet: »Ada«',
    'syntaxe en entrée invalide pour le type inet : « Ada »',
    'sintaxis de entrada no válida para tipo inet: «Ada»',
    'invalid byte sequence for encoding "UTF8": 0x41 0x64 0x61',
  ]) {
    it(`keeps its code and its names, and no value: ${message}`, () => {
      const error = withoutValues(raised(message));
      expect(error).to.include({ code: '22P02', table: 'users' });
      const said = Object.values({ ...error, message: error.message, stack: error.stack }).join(' ');
      expect(said).to.contain('[oubli value]');
      expect(said).not.to.match(/Ada|0x41|0x61/);
    });
  }

  it('of another class keeps its message, which holds names only, and loses what quotes its row', () => {
    const error = withoutValues(raised('null value in column "name" of relation "users"', '23502'));
    expect(error.message).to.equal('null value in column "name" of relation "users"');
    expect(error).not.to.have.any.keys('detail', 'where', 'internalQuery');
  });
});
