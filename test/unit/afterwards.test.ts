import { expect } from 'chai';
import { afterwards } from '../../src/afterwards';
import { failureOf } from '../support/refusals';

describe('What is done afterwards', () => {
  const failing = (message: string) => async (): Promise<never> => {
    throw Object.assign(new Error(message), { code: message });
  };

  it('is done whatever became of the work, whose result it is', async () => {
    const done: string[] = [];
    const end = async (): Promise<void> => void done.push('ended');
    expect(await afterwards(async () => 7, end)).to.equal(7);
    expect((await failureOf(() => afterwards(failing('work'), end))).code).to.equal('work');
    expect(done).to.have.length(2);
  });

  it('replaces no error of the work: both are told, the work’s first', async () => {
    const error = await failureOf(() => afterwards(() => afterwards(failing('work'), failing('end')), failing('last')));
    expect(error).to.include({ code: 'work', message: 'work\n  and afterwards: end\n  and afterwards: last' });
    const { suppressed } = error as unknown as { suppressed: Error[] };
    expect(suppressed.map(({ message }) => message)).to.deep.equal(['end', 'last']);
  });

  it('is an error of its own where the work was done', async () => {
    expect((await failureOf(() => afterwards(async () => 7, failing('end')))).code).to.equal('end');
  });
});
