import { expect } from 'chai';
import fc from 'fast-check';
import type { Catalogue } from '../../src/catalogue/model';
import { type Graph, graphBelow, type RootAction } from '../../src/lifecycle/graph';
import { catalogueOf, data, subjects, type TableMadeByHand, to, undeclared } from '../support/catalogue';

function graphOf(catalogue: Catalogue, root = 'users', action: RootAction = 'erase'): Graph {
  const [table] = catalogue.named(root);
  if (!table) throw new Error(`no table ${root}`);
  return graphBelow(catalogue, table, action);
}

/** What is done, as `table: action`, in no order. */
function actions(graph: Graph): Record<string, string> {
  const said: Record<string, string> = {};
  for (const { table, action } of graph.steps)
    said[table.name] = [said[table.name], action].filter(Boolean).join(' + ');
  return said;
}

function plan(...tables: TableMadeByHand[]): Record<string, string> {
  const graph = graphOf(catalogueOf(...tables));
  expect(graph.reviews).to.deep.equal([]);
  return actions(graph);
}

function reviews(...tables: TableMadeByHand[]): string[] {
  return graphOf(catalogueOf(...tables)).reviews.map(({ reason }) => reason);
}

const users = subjects('users', { name: 'personal' });

describe('The plan of an erasure', () => {
  it('deletes a person and what is declared as hers, through any number of tables', () => {
    const contracts = data('contracts', { user_id: to('users') });
    const notes = data('notes', { contract_id: to('contracts'), body: 'personal' });
    expect(plan(users, contracts, notes)).to.deep.equal({ users: 'delete', contracts: 'delete', notes: 'delete' });
    expect(graphOf(catalogueOf(users, contracts, notes)).steps[2]?.ways[0]).to.have.length(2);
  });

  it('anonymises the person when rows of hers have to stay, and says which', () => {
    const invoices = data('invoices', { user_id: to('users'), address: 'personal' }, 'keep');
    const graph = graphOf(catalogueOf(users, invoices));
    expect(actions(graph)).to.deep.equal({ users: 'anonymise', invoices: 'keep' });
    expect(graph.steps[0]?.because).to.equal('rows of invoices that stay refer to it');
  });

  it('anonymises every table between kept rows and the person', () => {
    const orders = data('orders', { user_id: to('users') });
    const parcels = data('parcels', { order_id: to('orders') });
    const invoices = data('invoices', { parcel_id: to('parcels') }, 'keep');
    expect(plan(users, orders, parcels, invoices)).to.deep.equal({
      users: 'anonymise',
      orders: 'anonymise',
      parcels: 'anonymise',
      invoices: 'keep',
    });
  });

  it('keeps what is kept although its key to the person could be emptied: kept rows are not written to', () => {
    const invoices = data('invoices', { user_id: to('users', { nullable: true, onDelete: 'set null' }) }, 'keep');
    expect(plan(users, invoices).users).to.equal('anonymise');
  });

  it('leaves tables of other kinds of people alone', () => {
    const customers = subjects('customers', { name: 'personal' });
    const orders = data('orders', { customer_id: to('customers') });
    expect(plan(users, customers, orders)).to.deep.equal({ users: 'delete' });
  });

  describe('with rows of others that refer to hers', () => {
    const customers = (options: Parameters<typeof to>[1]): TableMadeByHand =>
      subjects('customers', { adviser_id: to('users', options), name: 'personal' });

    it('empties a reference that may be NULL', () => {
      expect(plan(users, customers({ nullable: true }))).to.deep.equal({ users: 'delete', customers: 'detach' });
    });

    it('counts what ON DELETE SET NULL would empty', () => {
      const log = undeclared('log', {
        user_id: to('users', { nullable: true, onDelete: 'set null' }),
        text: 'not personal',
      });
      expect(plan(users, log)).to.deep.equal({ users: 'delete', log: 'detach' });
    });

    it('G2: is blocked where ON DELETE SET NULL would leave what nobody looked at', () => {
      const key = to('users', { nullable: true, onDelete: 'set null' });
      expect(reviews(users, undeclared('log', { user_id: key, text: 'nothing' }))).to.deep.equal([
        'log refers to users and nobody declared what becomes of it',
      ]);
      expect(plan(users, undeclared('members', { user_id: key })), 'a key alone says nothing').to.include({
        members: 'detach',
      });
    });

    it('anonymises her row instead where the reference may not be NULL', () => {
      expect(plan(users, customers({}))).to.deep.equal({ users: 'anonymise' });
    });

    it('does so too where the database would have deleted the row of the other person with hers', () => {
      expect(plan(users, customers({ onDelete: 'cascade' }))).to.deep.equal({ users: 'anonymise' });
    });

    it('tells the second way to a person from the first: what was sent to her is not hers', () => {
      const sender = { sender_id: to('users') };
      const optional = data(
        'messages',
        { ...sender, recipient_id: to('users', { nullable: true }) },
        'delete',
        'sender_id',
      );
      const required = data('messages', { ...sender, recipient_id: to('users') }, 'delete', 'sender_id');
      expect(plan(users, optional)).to.deep.equal({ users: 'delete', messages: 'delete + detach' });
      expect(plan(users, required)).to.deep.equal({ users: 'anonymise', messages: 'delete' });
    });

    it('detaches two references of one table in one step, for no row may be written twice', () => {
      const reviewed = { author_id: to('customers'), first: to('users', { nullable: true }) };
      const papers = data('papers', { ...reviewed, second: to('users', { nullable: true }) }, 'delete', 'author_id');
      const graph = graphOf(catalogueOf(users, subjects('customers'), papers));
      expect(actions(graph)).to.deep.equal({ users: 'delete', papers: 'detach' });
      expect(graph.steps[1]?.ways).to.have.length(2);
    });
  });

  describe('with circles', () => {
    it('detaches those who report to her', () => {
      const employees = subjects('employees', { reports_to: to('employees', { nullable: true }) });
      const graph = graphOf(catalogueOf(employees), 'employees');
      expect(actions(graph)).to.deep.equal({ employees: 'delete + detach' });
    });

    it('anonymises her where everybody must report to somebody', () => {
      const employees = subjects('employees', { reports_to: to('employees') });
      expect(actions(graphOf(catalogueOf(employees), 'employees'))).to.deep.equal({ employees: 'anonymise' });
    });

    it('deletes two tables of hers that refer to each other', () => {
      const people = subjects('users', { address_id: to('addresses') });
      const addresses = data('addresses', { user_id: to('users') });
      expect(plan(people, addresses)).to.deep.equal({ users: 'delete', addresses: 'delete' });
    });

    it('anonymises both when one of them has to stay', () => {
      const people = subjects('users', { address_id: to('addresses') });
      const addresses = data('addresses', { user_id: to('users') });
      const invoices = data('invoices', { user_id: to('users') }, 'keep');
      expect(plan(people, addresses, invoices)).to.deep.equal({
        users: 'anonymise',
        addresses: 'anonymise',
        invoices: 'keep',
      });
    });
  });

  describe('with tables that nobody declared', () => {
    it('is blocked, naming them', () => {
      const orders = undeclared('orders', { user_id: to('users'), text: 'nothing' });
      expect(reviews(users, orders)).to.deep.equal(['orders refers to users and nobody declared what becomes of it']);
    });

    it('is blocked too where the person stays, anonymised', () => {
      const orders = undeclared('orders', { user_id: to('users'), text: 'nothing' });
      const invoices = data('invoices', { user_id: to('users') }, 'keep');
      expect(reviews(users, invoices, orders)).to.have.length(1);
      expect(reviews(users, orders, invoices)).to.deep.equal(reviews(users, invoices, orders));
    });

    it('deletes and counts what a cascade would delete, whether she is deleted or has to stay', () => {
      const sessions = undeclared('sessions', { user_id: to('users', { onDelete: 'cascade' }), text: 'nothing' });
      const clicks = undeclared('clicks', { session_id: to('sessions', { onDelete: 'cascade' }), text: 'nothing' });
      const invoices = data('invoices', { user_id: to('users') }, 'keep');
      expect(plan(users, sessions, clicks)).to.deep.equal({ users: 'delete', sessions: 'delete', clicks: 'delete' });
      for (const tables of [
        [users, sessions, clicks, invoices],
        [invoices, clicks, sessions, users],
      ]) {
        expect(plan(...tables)).to.include({ users: 'anonymise', sessions: 'delete', clicks: 'delete' });
      }
    });

    it('finds the rows of such a table by every way that leads to it', () => {
      const cascade = to('users', { onDelete: 'cascade' });
      const friends = undeclared('friends', { a_id: cascade, b_id: cascade });
      expect(graphOf(catalogueOf(users, friends)).steps[1]?.ways).to.have.length(2);
    });

    it('blocks a cascade from rows that were declared to stay', () => {
      const orders = data('orders', { user_id: to('users') }, 'anonymise');
      const lines = undeclared('lines', { order_id: to('orders', { onDelete: 'cascade' }), text: 'nothing' });
      expect(reviews(users, orders, lines)).to.deep.equal([
        'lines refers to orders and nobody declared what becomes of it',
      ]);
    });

    it('always blocks where they have personal columns', () => {
      const profiles = undeclared('profiles', { user_id: to('users', { onDelete: 'cascade' }), bio: 'personal' });
      expect(reviews(users, profiles)).to.deep.equal(['profiles has personal columns but was not declared as a table']);
    });

    it('takes along what was said to hold nothing personal, and detaches it where it can stand alone', () => {
      const orders = data('orders', { user_id: to('users') });
      const lines = undeclared('lines', { order_id: to('orders'), amount: 'not personal' });
      const products = undeclared('products', { created_by: to('users', { nullable: true }), price: 'not personal' });
      expect(plan(users, orders, lines, products)).to.deep.equal({
        users: 'delete',
        orders: 'delete',
        lines: 'delete',
        products: 'detach',
      });
    });
  });

  describe('is blocked', () => {
    it('where a column of an anonymised table was not declared', () => {
      const people = subjects('users', { name: 'personal', remark: 'nothing' });
      const invoices = data('invoices', { user_id: to('users') }, 'keep');
      expect(reviews(people, invoices)).to.deep.equal([
        'users.remark is neither personal nor declared as not personal',
      ]);
    });

    it('where a row that has to stay is named by something personal', () => {
      const people = subjects('users', { id: 'personal' });
      const invoices = data('invoices', { user_id: to('users') }, 'keep');
      expect(reviews(people, invoices)).to.deep.equal(['users.id is personal and names rows that have to stay']);
    });

    it('where a person was to be deleted, and rows stay that refer to her', () => {
      const people = subjects('users', { name: 'personal' }, 'delete');
      const invoices = data('invoices', { user_id: to('users') }, 'keep');
      const graph = graphOf(catalogueOf(people, invoices), 'users', 'delete');
      expect(graph.reviews.map(({ reason }) => reason)).to.deep.equal([
        'users was to be deleted, but rows of invoices that stay refer to it',
      ]);
    });
  });

  it('is the same in whatever order the database lists tables and foreign keys, and always ends', () => {
    const names = ['a', 'b', 'c', 'd', 'e'] as const;
    const reference = fc.record({
      from: fc.constantFrom(...names),
      to: fc.constantFrom('users', ...names),
      nullable: fc.boolean(),
      onDelete: fc.constantFrom('no action', 'cascade', 'set null', 'restrict'),
    });
    const world = fc.record({
      declared: fc.record(
        Object.fromEntries(names.map((name) => [name, fc.constantFrom('delete', 'anonymise', 'keep', 'not')])),
      ),
      references: fc.uniqueArray(reference, { maxLength: 10, selector: (each) => `${each.from} ${each.to}` }),
    });
    const property = fc.property(world, fc.nat(), ({ declared, references }, turn) => {
      const tables = names.map((name) => {
        const own = references.filter(({ from }) => from === name);
        const columns = Object.fromEntries(own.map((each) => [`${each.to}_id`, to(each.to, each as never)]));
        // Their own way to the person, so that declared tables are never ambiguous.
        const all = { owner_id: to('users'), ...columns, text: 'not personal' as const };
        const onErase = declared[name] as 'delete' | 'not';
        return onErase === 'not' ? undeclared(name, columns) : data(name, all, onErase, 'owner_id');
      });
      const turned = [...tables.slice(turn % 5), users, ...tables.slice(0, turn % 5)].reverse();
      const [one, other] = [catalogueOf(users, ...tables), catalogueOf(...turned)].map((each) => graphOf(each));
      expect(actions(other as Graph)).to.deep.equal(actions(one as Graph));
      const blocked = [one, other].map((graph) => graph?.reviews.map(({ table }) => table).sort());
      expect(new Set(blocked[1])).to.deep.equal(new Set(blocked[0]));
    });
    fc.assert(property, { numRuns: 500 });
  });
});
