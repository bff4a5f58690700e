import { EventEmitter } from 'node:events';
import { expect } from 'chai';
import { KeyConnection, type RawConnection } from '../../../src/keyring/key-connection';
import { failureOf } from '../../support/refusals';

class Connection extends EventEmitter {
  readonly asked: string[] = [];
  failing = false;

  async query(query: string | { text: string }): Promise<{ rows: [] }> {
    if (this.failing) throw new Error('refused');
    this.asked.push(typeof query === 'string' ? query : query.text);
    return { rows: [] };
  }
}

describe('The key store’s own connection', () => {
  let made: Connection[];
  let given: Connection[];
  let heard: string[];
  let failing: boolean;
  let store: KeyConnection;
  beforeEach(() => {
    [made, given, heard, failing] = [[], [], [], false];
    store = new KeyConnection(
      {
        connect: async () => {
          const connection = Object.assign(new Connection(), { failing });
          made.push(connection);
          return connection as unknown as RawConnection;
        },
        disconnect: async (connection) => {
          given.push(connection as unknown as Connection);
        },
      },
      {
        shredded: (keyIds) => heard.push(`shredded ${keyIds.join(' and ')}`),
        schemaChanged: () => heard.push('schema'),
        epochsChanged: (destroyed) => heard.push(`epochs ${destroyed}`),
        lost: () => heard.push('lost'),
      },
    );
  });

  it('hears which keys were destroyed, that something was declared and what became of epochs, and nothing else', async () => {
    await store.query('select 1');
    made[0]?.emit('notification', { channel: 'oubli_shredded', payload: 'aa,bb' });
    made[0]?.emit('notification', { channel: 'oubli_schema', payload: '' });
    made[0]?.emit('notification', { channel: 'oubli_epochs', payload: '' });
    made[0]?.emit('notification', { channel: 'oubli_epochs', payload: '3' });
    made[0]?.emit('notification', { channel: 'another', payload: 'cc' });
    expect(heard).to.deep.equal(['shredded aa and bb', 'schema', 'epochs undefined', 'epochs 3']);
    expect(made[0]?.asked).to.deep.equal([
      "set application_name = 'oubli keys'; set default_transaction_isolation = 'read committed'; listen oubli_shredded; listen oubli_schema; listen oubli_epochs",
      'select 1',
    ]);
  });

  it('is made anew when it was lost, once, and the lost one is given back', async () => {
    await store.query('select 1');
    made[0]?.emit('error');
    made[0]?.emit('end');
    await store.query('select 2');
    expect(made).to.have.length(2);
    expect(heard).to.deep.equal(['lost']);
    expect(given).to.deep.equal([made[0]]);
  });

  it('is not lost by what is said late of the one before it', async () => {
    await store.query('select 1');
    made[0]?.emit('error');
    await store.query('select 2');
    made[0]?.emit('end');
    made[0]?.emit('error');
    await store.query('select 3');
    expect(made).to.have.length(2);
    expect(heard).to.deep.equal(['lost']);
    await store.close();
    expect(given).to.deep.equal(made);
  });

  it('that cannot listen is given back, and the next statement tries again', async () => {
    failing = true;
    expect((await failureOf(() => store.query('select 1'))).message).to.equal('refused');
    expect(given).to.deep.equal(made);
    failing = false;
    await store.query('select 2');
    expect(made).to.have.length(2);
  });

  it('is not opened again by what comes after close(), and says nothing of its end', async () => {
    await store.query('select 1');
    const underWay = store.query('select 2');
    await store.close();
    await underWay;
    expect((await failureOf(() => store.query('select 3'))).code).to.equal('NOT_READY');
    made[0]?.emit('end');
    expect(made).to.have.length(1);
    expect(given).to.deep.equal(made);
    expect(heard).to.deep.equal([]);
  });
});
