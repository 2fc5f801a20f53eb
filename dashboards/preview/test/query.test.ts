import { dateTime } from '@grafana/data';
import { expect, test } from 'vitest';
import { type Series, aligned, intervals, legend, milliseconds, table, timeSeries, withGaps } from '../src/query';

const target = { refId: 'A', expr: 'up' };

test('$__rate_interval covers four scrapes, or a step and a scrape', () => {
  expect(intervals(15_000, 15_000, 900_000)).toEqual({ step: 15_000, rate: 60_000 });
  expect(intervals(120_000, 15_000, 86_400_000)).toEqual({ step: 120_000, rate: 135_000 });
});

test('the step respects the maximum number of points', () => {
  expect(intervals(1_000, 1_000, 86_400_000).step).toBe(8_000);
});

test('ranges are aligned to steps', () => {
  expect(aligned(100_500, 200_500, 15_000)).toEqual({ start: 90_000, end: 195_000 });
});

test('durations are parsed', () => {
  expect([milliseconds('15s'), milliseconds('1.5h'), milliseconds('>10ms')]).toEqual([15_000, 5_400_000, 10]);
  expect(() => milliseconds('soon')).toThrow('`soon` is not a duration');
});

test('legends are formatted as by the data source', () => {
  const labels = { __name__: 'up', job: 'a' };
  expect(legend({ ...target, legendFormat: '{{job}}/{{ missing }}' }, 'up', labels)).toBe('a/');
  expect(legend({ ...target, legendFormat: '__auto' }, 'up', labels)).toBeUndefined();
  expect(legend(target, 'up', labels)).toBe('up{job="a"}');
  expect(legend(target, 'sum(up)', {})).toBe('sum(up)');
});

const series: Series[] = [
  { metric: { b: '1' }, values: [[2, '3']] },
  { metric: { a: '2' }, values: [[1, '+Inf']] },
];

test('a series becomes a frame with its labels', () => {
  const [frame] = timeSeries(target, 'up', series, 15_000);
  expect(frame.fields.map(({ name, values, labels }) => [name, values, labels])).toEqual([
    ['Time', [2000], undefined],
    ['Value', [3], { b: '1' }],
  ]);
  expect(frame.fields[0].config.interval).toBe(15_000);
});

test('a table has a column per label, and the value is named by its query if there are several', () => {
  const rows = (single: boolean) => table(target, series, single).fields.map(({ name, values }) => [name, values]);
  expect(rows(true)).toEqual([
    ['Time', [1000, 2000]],
    ['b', ['', '1']],
    ['a', ['2', '']],
    ['Value', [Infinity, 3]],
  ]);
  expect(rows(false).at(-1)?.[0]).toBe('Value #A');
});

test('missing samples are gaps in every frame', () => {
  const series = (times: number[]) => ({ metric: {}, values: times.map((time): [number, string] => [time, '1']) });
  const frames = timeSeries(target, 'up', [series([0, 10, 20, 30]), series([0, 30])], 10_000);
  const drawn = withGaps(frames, { from: dateTime(0), to: dateTime(40_000) });
  expect(drawn.map(({ fields }) => fields[1].values)).toEqual([
    [1, 1, 1, 1],
    [1, null, null, 1],
  ]);
  expect(drawn[1].fields[0].values).toEqual([0, 10_000, 20_000, 30_000]);
});
