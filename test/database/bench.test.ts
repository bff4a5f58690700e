/** The benches, with few people and unwatched by the clock: they run, they do what they say, and the peers seal what we seal. */
import { expect } from 'chai';
import { lifeCycleWorks } from '../../bench/lifecycle/works';
import { type Person, SEALED } from '../../bench/people';
import { asJson, asMarkdown, asTable } from '../../bench/report';
import { type Measured, measure, quantile } from '../../bench/rounds';
import { families, peersOf } from '../../bench/works';
import { type BenchWorld, createBenchWorld } from '../../bench/world';
import { testServerUrl } from '../support/postgres';

describe('The benches', function () {
  this.timeout(60_000);
  let world: BenchWorld;
  beforeEach(async () => {
    world = await createBenchWorld(testServerUrl(), 12);
  });
  afterEach(() => world.end());

  it('measure every work that they name, and nothing else', async () => {
    const peers = peersOf(world);
    const results: Measured[] = [];
    for (const { names, make } of families(world, peers, 1, 1)) {
      const works = await make();
      expect(works.map(({ name }) => name)).to.deep.equal(names);
      for (const work of works) results.push(await measure(work));
    }
    expect(results.map(({ name }) => name)).to.include.members([
      'W1',
      'W4',
      'bulk',
      'W1k',
      'W2u',
      'W3-pgcrypto',
      'W2-cloak',
      'W1-ciphersweet',
    ]);
    for (const { ratio } of results) expect(ratio).to.be.greaterThan(0);
    const json = JSON.parse(asJson(results.slice(0, 1))) as Record<string, unknown>;
    expect(Object.keys(json)).to.deep.equal(['W1']);
    expect(json.W1).to.have.all.keys('ratio', 'rounds');
    expect(asTable(results).split('\n')).to.have.length(results.length + 1);
    expect(asMarkdown(results, peers, '18.4', 'npm run bench')).to.match(/\| W4u \|.*## Peers.*\| W4-ciphersweet \|/s);
  });

  it('measure the life cycle: a purge, what it does to others, who is due, one person, two workers', async function () {
    this.timeout(180_000);
    const small = {
      people: 40,
      leaving: 5,
      working: 4,
      rounds: 1,
      seconds: 1,
      subjects: 20_000,
      dueRounds: 1,
      keys: 500,
      guests: 3,
    };
    const works = lifeCycleWorks(testServerUrl(), small);
    const results: Measured[] = [];
    try {
      for (const name of works.names) results.push(await works.measure(name));
    } finally {
      await works.end();
    }
    const json = JSON.parse(asJson(results)) as Record<string, { ratio: number; p99Ms?: number }>;
    expect(Object.keys(json)).to.deep.equal(['purge', 'purge-traffic', 'due', 'erase-one', 'rewrap', 'workers']);
    for (const { ratio } of Object.values(json)) expect(ratio).to.be.greaterThan(0);
    expect(json['erase-one']?.p99Ms).to.be.greaterThan(0);
    expect(asTable(results)).to.match(/≥ 0.60.*≤ 1.50.*≤ 2.00.*≤ 50 ms.*≥ 1.50/s);
  });

  it('compare with peers that store ciphertext, read what was written, and find it', async () => {
    for (const peer of peersOf(world)) {
      const store = await peer.open();
      await store.insert(world.people);
      const stored = JSON.stringify(await world.plain(store.table)).toLowerCase();
      const opened = await store.readAll();
      const [first] = world.people as [Person];
      for (const column of SEALED) {
        const hex = Buffer.from(first[column]).toString('hex');
        expect(
          [stored.includes(first[column].toLowerCase()), stored.includes(hex)],
          `${peer.name}: ${column}`,
        ).to.deep.equal([false, false]);
        expect(
          opened.map((person) => person[column]),
          peer.name,
        ).to.have.members(world.people.map((person) => person[column]));
      }
      expect(
        (await store.find(first.email.toUpperCase())).map(({ id }) => id),
        peer.name,
      ).to.deep.equal([first.id]);
      expect(await store.updatePhone(first.id, '+33 1')).to.equal(1);
      expect((await store.find(first.email))[0]?.phone, peer.name).to.equal('+33 1');
    }
  });

  it('take the median and its quartiles of the rounds', () => {
    expect([0.25, 0.5, 0.75].map((share) => quantile([5, 1, 4, 2, 3], share))).to.deep.equal([2, 3, 4]);
    expect(quantile([1, 2], 0.5)).to.equal(1.5);
  });

  it('let each side go first as often as the other', async () => {
    const order: string[] = [];
    const side = (name: string) => ({ run: async () => void order.push(name) });
    await measure({ name: 'x', title: '', atMost: 1, rounds: 3, plain: side('plain'), tried: side('tried') });
    expect(order.join(' ')).to.equal('plain tried tried plain plain tried tried plain');
  });
});
