import { expect } from 'chai';
import fc from 'fast-check';
import { type Graph, graphBelow } from '../../src/lifecycle/graph';
import type { Step } from '../../src/lifecycle/step';
import { catalogueOf, data, type Said, subjects, type TableMadeByHand, to, undeclared } from '../support/catalogue';

const users = subjects('users', { name: 'personal' });
const nullable = to('users', { nullable: true });

function graphOf(...tables: TableMadeByHand[]): Graph {
  const catalogue = catalogueOf(...tables);
  const [root] = catalogue.named('users');
  if (!root) throw new Error('no users');
  return graphBelow(catalogue, root, 'erase');
}

function actions(graph: Graph): Record<string, string> {
  const said: Record<string, string> = {};
  for (const { table, action } of graph.steps)
    said[table.name] = [said[table.name], action].filter(Boolean).join(' + ');
  return said;
}

const messages = (columns: Record<string, Said>, onErase: 'delete' | 'anonymise' | 'keep' = 'delete') =>
  data(
    'messages',
    { sender_id: nullable, body: 'personal', reply: { about: 'recipient_id' }, ...columns },
    onErase,
    'sender_id',
  );

/** Of each way, whose it is, what leaves with her and what is emptied. */
const sharesOf = (graph: Graph, table = 'messages') =>
  graph.steps
    .find((step: Step) => step.table.name === table)
    ?.shared?.shares.map(({ person, columns, detaches, way }) => ({
      by: way[0]?.columns.join(),
      person,
      columns: columns.map(({ name }) => name).join(),
      detaches: detaches.join(),
    }));

describe('The plan for rows of several people', () => {
  it('G3: anonymises her columns, lets go of her, and deletes what is nobody’s any more', () => {
    const graph = graphOf(users, messages({ recipient_id: nullable }));
    expect(graph.reviews).to.deep.equal([]);
    expect(actions(graph)).to.deep.equal({ users: 'delete', messages: 'anonymise + delete' });
    expect(sharesOf(graph)).to.deep.equal([
      { by: 'sender_id', person: 0, columns: 'body', detaches: 'sender_id' },
      { by: 'recipient_id', person: 1, columns: 'reply', detaches: 'recipient_id' },
    ]);
  });

  it('G3: anonymises the person where a row that stays cannot let go of her', () => {
    const graph = graphOf(users, messages({ recipient_id: to('users') }));
    expect(actions(graph)).to.deep.equal({ users: 'anonymise', messages: 'anonymise + delete' });
    expect(sharesOf(graph)?.map(({ detaches }) => detaches)).to.deep.equal(['sender_id', '']);
    expect(graph.steps[0]?.because).to.equal('rows of messages that stay refer to it');
  });

  it('G3: takes a third reference away in the same write, whoever else is in the row', () => {
    const graph = graphOf(users, messages({ recipient_id: nullable, moderator_id: nullable }));
    expect(actions(graph)).to.deep.equal({ users: 'delete', messages: 'anonymise + delete + detach' });
    expect(sharesOf(graph)?.at(-1)).to.deep.equal({
      by: 'moderator_id',
      person: undefined,
      columns: '',
      detaches: 'moderator_id',
    });
  });

  it('G3: keeps the link that another person’s key shares with hers', () => {
    const tenants = { references: ['id', 'tenant'], with: ['tenant'] };
    const people = subjects('users', { name: 'personal', tenant: 'not personal' });
    const table = data(
      'messages',
      {
        sender_id: to('users', { ...tenants, nullable: true }),
        recipient_id: to('users', { ...tenants, nullable: true }),
        tenant: 'not personal',
        body: 'personal',
        reply: { about: 'recipient_id' },
      },
      'delete',
      'sender_id',
    );
    expect(sharesOf(graphOf(people, table))?.map(({ detaches }) => detaches)).to.deep.equal([
      'sender_id',
      'recipient_id',
    ]);
  });

  it('G3: deletes no row that something else refers to', () => {
    const tags = undeclared('tags', { message_id: to('messages', { onDelete: 'cascade' }), word: 'not personal' });
    const answers = messages({ recipient_id: nullable, answers_id: to('messages', { nullable: true }) });
    expect(actions(graphOf(users, messages({ recipient_id: nullable }), tags))).to.deep.equal({
      users: 'delete',
      messages: 'anonymise',
    });
    expect(actions(graphOf(users, answers))).to.deep.equal({ users: 'delete', messages: 'anonymise' });
    const files = data('files', { message_id: to('messages'), content: 'personal' });
    expect(actions(graphOf(users, messages({ recipient_id: nullable }), files))).to.deep.equal({
      users: 'delete',
      messages: 'anonymise + delete',
      files: 'delete',
    });
  });

  it('G3: keeps what the law keeps, and the person as a row that says nothing', () => {
    const graph = graphOf(users, messages({ recipient_id: nullable }, 'keep'));
    expect(actions(graph)).to.deep.equal({ users: 'anonymise', messages: 'keep' });
    expect(sharesOf(graph)?.map(({ columns }) => columns)).to.deep.equal(['body', 'reply']);
  });

  it('G3: finds whoever is only a column’s subject, of another kind than the table’s own', () => {
    const firms = subjects('firms', { name: 'personal' });
    const columns = {
      firm_id: to('firms'),
      recipient_id: nullable,
      body: 'personal',
      reply: { about: 'recipient_id' },
    } as const;
    const table = data('messages', columns, 'delete', 'firm_id');
    const graph = graphOf(users, firms, table);
    expect(actions(graph)).to.deep.equal({ users: 'delete', messages: 'anonymise + delete' });
    expect(sharesOf(graph)).to.deep.equal([
      { by: 'recipient_id', person: 1, columns: 'reply', detaches: 'recipient_id' },
    ]);
  });

  it('G3: is the same in whatever order tables are listed, and no row is in two branches', () => {
    const names = ['a', 'b', 'c', 'd'] as const;
    const reference = fc.record({
      from: fc.constantFrom(...names),
      to: fc.constantFrom(...names),
      nullable: fc.boolean(),
      onDelete: fc.constantFrom('no action', 'cascade', 'set null', 'restrict'),
    });
    const world = fc.record({
      declared: fc.record(
        Object.fromEntries(
          names.map((name) => [
            name,
            fc.constantFrom('delete', 'anonymise', 'keep', 'not', 'shared delete', 'shared keep'),
          ]),
        ),
      ),
      others: fc.record(Object.fromEntries(names.map((name) => [name, fc.boolean()]))),
      references: fc.uniqueArray(reference, { maxLength: 8, selector: (each) => `${each.from} ${each.to}` }),
    });
    const property = fc.property(world, fc.nat(), ({ declared, others, references }, turn) => {
      const tables = names.map((name) => {
        const own = references.filter(({ from }) => from === name);
        const columns = Object.fromEntries(own.map((each) => [`${each.to}_id`, to(each.to, each as never)]));
        const [kind = '', onErase = kind] = (declared[name] as string).split(' ');
        if (kind === 'not') return undeclared(name, columns);
        const other = { other_id: to('users', { nullable: others[name] as boolean }), reply: { about: 'other_id' } };
        const all = {
          owner_id: to('users'),
          ...columns,
          text: 'personal' as const,
          ...(kind === 'shared' ? other : {}),
        };
        return data(name, all, onErase as 'delete', 'owner_id');
      });
      const turned = [...tables.slice(turn % 4), users, ...tables.slice(0, turn % 4)].reverse();
      const [one, other] = [graphOf(users, ...tables), graphOf(...turned)];
      expect(actions(other)).to.deep.equal(actions(one));
      for (const { table } of one.steps) {
        const steps = one.steps.filter((step) => step.table === table);
        const written = new Set(steps.map((step) => step.shared?.people ?? step));
        if (steps.some(({ shared }) => shared)) expect(written.size, table.name).to.equal(1);
      }
    });
    fc.assert(property, { numRuns: 400 });
  });
});
