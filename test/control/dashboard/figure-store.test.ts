/** Figures as the page keeps them. */
import { describe, expect, it } from 'vitest';
import { FigureStore } from '../../../src/control/dashboard/figure-store.js';

const report = (at: number[], values: (number | null)[], more = {}) => ({
  ...{ span: '5m', step: 1000, points: 4, at, series: { accepted: values } },
  ...more,
});

describe('the store', () => {
  it('adds what is new, and keeps as much as is shown', () => {
    const store = new FigureStore();
    expect(store.last).toBe(0);
    store.add(report([1000, 2000], [1, 2]));
    store.add(report([2000, 3000], [9, 3]));
    expect([store.at, store.of('accepted')]).toEqual([
      [1000, 2000, 3000],
      [1, 2, 3],
    ]);
    store.add(report([4000, 5000, 6000], [4, 5, 6]));
    expect([store.at, store.of('accepted')]).toEqual([
      [3000, 4000, 5000, 6000],
      [3, 4, 5, 6],
    ]);
    store.add(report([5000], [0]));
    expect(store.last).toBe(6000);
    expect(store.of('unheard-of')).toEqual([]);
  });

  it('passes over another span, and forgets on a change of it', () => {
    const store = new FigureStore();
    store.add(report([1000], [1], { span: '1h' }));
    expect(store.at).toEqual([]);
    store.add(report([1000], [1]));
    store.clear('1h');
    store.add(report([900], [7], { span: '1h', step: 10_000 }));
    expect([store.at, store.of('accepted'), store.width]).toEqual([[900], [7], 40_000]);
  });

  it('takes a figure that an engine tells only from some time on', () => {
    const store = new FigureStore();
    store.add(report([1000], [1]));
    store.add({ ...report([2000], [2]), series: { accepted: [2], lag: [5] } });
    expect([store.of('accepted'), store.of('lag')]).toEqual([
      [1, 2],
      [null, 5],
    ]);
  });

  it('tells means and the newest of the last time, without what is not known', () => {
    const store = new FigureStore();
    store.add(report([1000, 2000, 3000, 4000], [10, 2, null, 4]));
    expect(store.recent('accepted', 3000)).toBe(3);
    expect(store.recent('accepted', 99_000)).toBeCloseTo(16 / 3);
    expect(store.newest('accepted', 0)).toBe(4);
    const quiet = new FigureStore();
    quiet.add(report([1000, 2000, 3000], [5, null, null]));
    expect([quiet.newest('accepted', 1000), quiet.newest('accepted', 2000)]).toEqual([null, 5]);
    expect(new FigureStore().recent('accepted', 1000)).toBeNull();
  });
});
