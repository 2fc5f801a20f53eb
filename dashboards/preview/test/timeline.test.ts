import { expect, test } from 'vitest';
import { periods, ticks } from '../src/timeline';

test('adjacent samples with the same value are one period', () => {
  expect(periods([0, 10, 20, 30], [1, 1, 0, 1], 10, 40)).toEqual([
    { from: 0, to: 20, value: 1 },
    { from: 20, to: 30, value: 0 },
    { from: 30, to: 40, value: 1 },
  ]);
});

test('missing samples are a gap', () => {
  expect(periods([0, 10, 50], [1, 1, 1], 10, 60)).toEqual([
    { from: 0, to: 20, value: 1 },
    { from: 50, to: 60, value: 1 },
  ]);
  expect(periods([0, 10, 20], [1, null, 1], 10, 30)).toEqual([
    { from: 0, to: 10, value: 1 },
    { from: 20, to: 30, value: 1 },
  ]);
});

test('a series that ended does not last until now', () => {
  expect(periods([0, 10], [1, 1], 10, 1000)).toEqual([{ from: 0, to: 20, value: 1 }]);
});

test('ticks are round times and do not overlap', () => {
  const minute = 60_000;
  expect(ticks(1.5 * minute, 16 * minute, 400)).toEqual([5 * minute, 10 * minute, 15 * minute]);
  expect(ticks(0, 24 * 60 * minute, 800)).toHaveLength(9);
});
