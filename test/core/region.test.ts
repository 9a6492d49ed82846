import { describe, expect, it } from 'vitest';
import { canonicalRegion, connectTimeBetween, coordinatesOf, regionInName } from '../../src/core/region.js';

describe('a place', () => {
  it.each([
    ['eu-west-1', 'eu-west-1'],
    ['EU-West-1', 'eu-west-1'],
    ['berlin', 'berlin'],
    ['+52.5+13.4', '+52.5+13.4'],
    ['-33.9+151.2/', '-33.9+151.2/'],
    ['52.5,13.4', undefined],
    ['+91+0', undefined],
    ['+0+181', undefined],
    ['1st', undefined],
    ['a b', undefined],
    ['', undefined],
  ])('%s', (text, expected) => expect(canonicalRegion(text)).toBe(expected));

  it('has coordinates when its name is known or is coordinates', () => {
    expect(coordinatesOf('-33.9+151.2')).toEqual({ latitude: -33.9, longitude: 151.2 });
    expect(coordinatesOf('eu-central-1')?.latitude).toBeCloseTo(50.1);
    expect([coordinatesOf('berlin'), coordinatesOf('constructor'), coordinatesOf('')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('stands in the names of some hosts', () => {
    expect(regionInName('email-smtp.eu-west-1.amazonaws.com')).toBe('eu-west-1');
    expect(regionInName('smtp.example')).toBe('');
  });
});

describe('a connect time', () => {
  it('grows with distance: Frankfurt, Dublin, Virginia, Sydney', () => {
    const times = ['eu-west-1', 'us-east-1', 'ap-southeast-2'].map((to) => connectTimeBetween('eu-central-1', to)!);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    // 6,500 km, measured about 90 ms.
    expect(times[1]).toBeGreaterThan(80);
    expect(times[1]).toBeLessThan(120);
  });

  it('is least to the same place, also of unknown whereabouts, and unknown otherwise', () => {
    expect(connectTimeBetween('berlin', 'berlin')).toBeLessThan(connectTimeBetween('+52.5+13.4', '+52.5+13.5')!);
    expect(connectTimeBetween('berlin', 'eu-west-1')).toBeUndefined();
    expect(connectTimeBetween('', '')).toBeUndefined();
  });
});
