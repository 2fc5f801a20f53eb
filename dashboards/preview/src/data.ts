/** Computes the data that a panel component draws: queries, transformations, field options. */

import {
  type DataFrame,
  type FieldConfigSource,
  type GrafanaTheme2,
  type ScopedVars,
  type TimeRange,
  applyFieldOverrides,
  cacheFieldDisplayNames,
  getPanelOptionsWithDefaults,
  rangeUtil,
  transformDataFrame,
} from '@grafana/data';
import { lastValueFrom } from 'rxjs';
import type { PanelJson, Target } from './dashboard';
import { plugin } from './grafana';
import type { Prometheus } from './prometheus';
import { type Series, aligned, intervals, milliseconds, table, timeSeries } from './query';
import type { Scope } from './scope';

export interface Drawable {
  frames: DataFrame[];
  options: Record<string, unknown>;
  fieldConfig: FieldConfigSource;
}

export interface Context {
  prometheus: Prometheus;
  scope: Scope;
  timeRange: TimeRange;
  timeZone: string;
  theme: GrafanaTheme2;
  /** Scrape interval in milliseconds, the basis of `$__rate_interval`. */
  scrapeInterval: number;
}

interface Answer {
  target: Target;
  expr: string;
  series: Series[];
  step: number | undefined;
}

async function ask(panel: PanelJson, target: Target, width: number, context: Context): Promise<Answer[]> {
  const { prometheus, scope, timeRange, scrapeInterval } = context;
  const from = timeRange.from.valueOf();
  const to = timeRange.to.valueOf();
  const limit = scope.query(target.interval || panel.interval || '');
  const least = Math.max(limit ? milliseconds(limit) : scrapeInterval, 1);
  const points = panel.maxDataPoints || Math.max(Math.floor(width), 1);
  const calculated = rangeUtil.calculateInterval(timeRange, points, `${least}ms`).intervalMs;
  const { step, rate } = intervals(calculated, limit ? least : scrapeInterval, to - from, target.intervalFactor);
  const stepped = scope.withIntervals(step, rate);
  const expr = stepped.query(target.expr);
  const named = stepped.target(target);
  const answers: Answer[] = [];
  if (target.range ?? !target.instant) {
    const { start, end } = aligned(from, to, step);
    answers.push({ target: named, expr, step, series: await prometheus.range(expr, start, end, step) });
  }
  if (target.instant) {
    answers.push({ target: named, expr, step: undefined, series: await prometheus.instant(expr, to) });
  }
  return answers;
}

export async function load(panel: PanelJson, width: number, context: Context): Promise<Drawable> {
  const targets = (panel.targets ?? []).filter((target) => !target.hide);
  const answers = (await Promise.all(targets.map((target) => ask(panel, target, width, context)))).flat();
  const tables = answers.filter(({ target }) => target.format === 'table');
  const frames = [
    ...answers
      .filter(({ target }) => target.format !== 'table')
      .flatMap(({ target, expr, series, step }) => timeSeries(target, expr, series, step)),
    ...tables.map(({ target, series }) => table(target, series, tables.length === 1)),
  ];
  const interpolate = (text: string, scopedVars?: ScopedVars, format?: unknown) =>
    context.scope.replace(text, scopedVars, typeof format === 'string' ? format : undefined);
  const transformations = (panel.transformations ?? []).filter((transformation) => !transformation.disabled);
  const transformed =
    transformations.length > 0
      ? await lastValueFrom(transformDataFrame(transformations, frames, { interpolate: (text: string) => interpolate(text) }))
      : frames;
  const { options, fieldConfig } = getPanelOptionsWithDefaults({
    plugin: plugin(panel.type),
    currentOptions: panel.options ?? {},
    currentFieldConfig: structuredClone(panel.fieldConfig ?? { defaults: {}, overrides: [] }),
    isAfterPluginChange: false,
  });
  const drawn = applyFieldOverrides({
    data: transformed,
    fieldConfig,
    fieldConfigRegistry: plugin(panel.type).fieldConfigRegistry,
    replaceVariables: interpolate,
    theme: context.theme,
    timeZone: context.timeZone,
  });
  // Tables look up their columns by it.
  cacheFieldDisplayNames(drawn);
  return { options: options as Record<string, unknown>, fieldConfig, frames: drawn };
}
