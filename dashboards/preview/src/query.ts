/** Converts queries to requests, and responses of Prometheus to Grafana data frames. */

import { FieldType, applyNullInsertThreshold, type DataFrame, type Field, type Labels, type TimeRange } from '@grafana/data';
import type { Target } from './dashboard';

/** Prometheus rejects queries with more points per series. */
const MAX_POINTS = 11_000;

export interface Series {
  metric: Labels;
  /** Pairs of Unix seconds and a value as a string. */
  values: Array<[number, string]>;
}

/** `10s`, `1m`, `2h`, `1d`, `1w`, `1y` or `250ms`, in milliseconds. A leading `>` (at least) is accepted. */
export function milliseconds(text: string): number {
  const units: Record<string, number> = { ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5, w: 6048e5, y: 31536e6 };
  const parts = text.trim().match(/^>?\s*(\d+(?:\.\d+)?)(ms|[smhdwy])$/);
  if (!parts) {
    throw new Error(`\`${text}\` is not a duration`);
  }
  return Number(parts[1]) * units[parts[2]];
}

export interface Intervals {
  step: number;
  rate: number;
}

/**
 * Returns the step of a range query and `$__rate_interval`, in milliseconds, from the interval that Grafana computed for
 * the panel width. The step respects the maximum number of points.
 */
export function intervals(calculated: number, scrape: number, range: number, factor = 1): Intervals {
  const safe = Math.ceil(range / MAX_POINTS / 1000) * 1000;
  const step = Math.max(calculated * factor, safe, 1000);
  return { step, rate: Math.max(step + scrape, 4 * scrape) };
}

/** Aligns the range to the step, as Grafana does, so that a reload draws the same points. */
export function aligned(from: number, to: number, step: number): { start: number; end: number } {
  return { start: Math.floor(from / step) * step, end: Math.floor(to / step) * step };
}

export function legend(target: Target, expr: string, labels: Labels): string | undefined {
  const { __name__: metric = '', ...rest } = labels;
  const written = Object.keys(rest)
    .sort()
    .map((name) => `${name}="${rest[name]}"`)
    .join(', ');
  if (target.legendFormat === '__auto' && Object.keys(labels).length > 0) {
    return undefined;
  }
  if (target.legendFormat && target.legendFormat !== '__auto') {
    return target.legendFormat.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, name) => labels[name] ?? '');
  }
  return metric === '' && written === '' ? expr : written === '' ? metric : `${metric}{${written}}`;
}

const number = (text: string) =>
  /^[+-]?inf/i.test(text) ? (text.startsWith('-') ? -Infinity : Infinity) : Number.parseFloat(text);

/** Returns one frame per series, as the backend of the Prometheus data source does. */
export function timeSeries(target: Target, expr: string, series: Series[], step: number | undefined): DataFrame[] {
  return series.map(({ metric, values }) => ({
    refId: target.refId,
    fields: [
      {
        name: 'Time',
        type: FieldType.time,
        config: step ? { interval: step } : {},
        values: values.map(([time]) => time * 1000),
      },
      {
        name: metric.__name__ ?? 'Value',
        type: FieldType.number,
        config: { displayNameFromDS: legend(target, expr, metric) },
        labels: metric,
        values: values.map(([, value]) => number(value)),
      },
    ],
    length: values.length,
  }));
}

/** Ends lines where samples are missing. The component does so for the first frame only. */
export function withGaps(frames: DataFrame[], { from, to }: Pick<TimeRange, 'from' | 'to'>): DataFrame[] {
  return frames.map((frame) =>
    applyNullInsertThreshold({ frame, refFieldPseudoMin: from.valueOf(), refFieldPseudoMax: to.valueOf() })
  );
}

/** Returns the frame of a query with `format: table`: time, one column per label, value. */
export function table(target: Target, series: Series[], single: boolean): DataFrame {
  if (single && series.length === 0) {
    return { refId: target.refId, fields: [], length: 0 };
  }
  const names = [...new Set(series.flatMap(({ metric }) => Object.keys(metric).sort()))];
  const rows = series
    .flatMap(({ metric, values }) => values.map(([time, value]) => ({ metric, time: time * 1000, value: number(value) })))
    .sort((a, b) => a.time - b.time);
  const labels: Field[] = names.map((name) => ({
    name,
    type: FieldType.string,
    config: { filterable: true },
    values: rows.map(({ metric }) => metric[name] ?? ''),
  }));
  return {
    refId: target.refId,
    fields: [
      { name: 'Time', type: FieldType.time, config: {}, values: rows.map(({ time }) => time) },
      ...labels,
      {
        name: single ? 'Value' : `Value #${target.refId}`,
        type: FieldType.number,
        config: {},
        values: rows.map(({ value }) => value),
      },
    ],
    length: rows.length,
  };
}
