import { expect } from 'chai';
import { undeclaredHistories } from '../../src/checks/history';
import { catalogueOf, subjects, to, undeclared } from '../support/catalogue';

const users = subjects('users', { name: 'personal', email: 'personal', at: 'not personal' });

describe('The check for tables of history', () => {
  it('G4: finds a table with the personal columns of another one and no reference, and writes its declaration', () => {
    const history = undeclared('users_history', { name: 'nothing', email: 'nothing', changed: 'nothing' });
    const [found, ...others] = undeclaredHistories(catalogueOf(users, history));
    expect(others).to.deep.equal([]);
    expect(found).to.include({ check: 'history', table: 'users_history' });
    expect(found?.fix)
      .to.contain("annotate(knex, 'users_history', ")
      .and.to.contain("columns: ['id'], to: 'users', on: ['id']");
  });

  it('G4: leaves alone what refers to somebody, and what shares a column or two by chance', () => {
    const products = undeclared('products', { name: 'nothing', price: 'nothing' });
    const profiles = undeclared('profiles', { user_id: to('users'), name: 'nothing', email: 'nothing', at: 'nothing' });
    expect(undeclaredHistories(catalogueOf(users, products, profiles))).to.deep.equal([]);
  });
});
