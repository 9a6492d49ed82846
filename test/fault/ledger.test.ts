/** The judge of the crash harness: it must see every way in which mail can go wrong. */
import { describe, expect, it } from 'vitest';
import { type Arrival, judge, Ledger, reconcile } from './ledger.js';

function arrival(id: string, to: string[], changes: Partial<Arrival> = {}): Arrival {
  return { at: 1_000_000, from: `${id}@client.example`, to, id, whole: true, ...changes };
}

function acknowledged(...ids: string[]): Ledger {
  const ledger = new Ledger();
  for (const id of ids) {
    ledger.tried(id, [`${id}.0`, `${id}.1`]);
    ledger.answered(id, 250);
  }
  return ledger;
}

const problemsOf = (ledger: Ledger, arrivals: Arrival[]): string[] =>
  judge(ledger, reconcile(ledger, arrivals)).problems;

describe('reconcile', () => {
  it('passes what arrived once for everyone, in one copy or several', () => {
    const ledger = acknowledged('a', 'b');
    expect(problemsOf(ledger, [arrival('a', ['a.0', 'a.1']), arrival('b', ['b.1']), arrival('b', ['b.0'])])).toEqual(
      [],
    );
  });

  it('finds an acknowledged message that is missing, for all or for one recipient', () => {
    const ledger = acknowledged('a', 'b');
    expect(reconcile(ledger, [arrival('a', ['a.0'])]).lost).toEqual(['a a.1', 'b b.0', 'b b.1']);
    expect(problemsOf(ledger, [arrival('a', ['a.0'])])).toEqual([expect.stringMatching(/^3 lost, such as a a\.1/)]);
  });

  it('asks nothing of a message that was never answered, or refused for now', () => {
    const ledger = new Ledger();
    ledger.tried('a', ['a.0']);
    ledger.tried('b', ['b.0']);
    ledger.answered('b', 451);
    expect(problemsOf(ledger, [])).toEqual([]);
    expect(problemsOf(ledger, [arrival('a', ['a.0']), arrival('b', ['b.0'])])).toEqual([]);
  });

  it('finds what was refused for good and arrived', () => {
    const ledger = new Ledger();
    ledger.tried('a', ['a.0']);
    ledger.answered('a', 550);
    expect(reconcile(ledger, [arrival('a', ['a.0'])]).refusedArrived).toEqual(['a']);
  });

  it('finds inventions and bodies that changed', () => {
    const ledger = acknowledged('a');
    const found = reconcile(ledger, [
      arrival('a', ['a.0', 'a.1', 'x.0'], { whole: false }),
      arrival('', ['y.0'], { from: 'y@client.example' }),
    ]);
    expect(found.invented).toEqual(['a x.0', '(no id)']);
    expect(found.damaged).toEqual(['a']);
  });

  it('allows a second copy only of what was in flight at a fault', () => {
    const ledger = acknowledged('a');
    const copies = [arrival('a', ['a.0', 'a.1']), arrival('a', ['a.0'], { at: 1_009_000 })];
    expect(reconcile(ledger, copies)).toMatchObject({ duplicates: 0, needless: [expect.stringContaining('a a.0')] });
    ledger.faults.push(1_000_500);
    expect(reconcile(ledger, copies)).toMatchObject({ duplicates: 1, needless: [] });
    ledger.faults[0] = 1_005_000;
    expect(reconcile(ledger, copies)).toMatchObject({ duplicates: 0, needless: [expect.anything()] });
  });

  it('counts notifications apart', () => {
    expect(reconcile(acknowledged(), [arrival('', ['x'], { from: '' })])).toMatchObject({ notices: 1, invented: [] });
  });
});
