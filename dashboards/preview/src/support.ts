/**
 * The supported features of dashboards. A screenshot without a feature that Grafana has would be wrong, so features that are
 * not listed are errors.
 */

import type { DashboardJson, PanelJson } from './dashboard';
import { queryText, question } from './variables';

/** `any`: every value is supported or has no visible effect. An array: the supported values. Otherwise: nested keys. */
type Spec = 'any' | readonly unknown[] | Each | Check | { [key: string]: Spec };
class Each {
  constructor(readonly spec: Spec) {}
}
/** Returns the problem, or undefined. */
type Check = (value: unknown) => string | undefined;

const each = (spec: Spec) => new Each(spec);
const prometheus: Check = (value) => {
  const source = value as { type?: string; uid?: string } | null;
  return source === null || source.type === undefined || source.type === 'prometheus'
    ? undefined
    : `data source of type ${source.type}`;
};
/** Every spelling of "off". */
const off = [false, null, undefined, '', 0] as const;

const legend: Spec = {
  showLegend: 'any',
  displayMode: ['list', 'table', 'hidden'],
  placement: ['bottom', 'right'],
  calcs: 'any',
  sortBy: 'any',
  sortDesc: 'any',
  width: 'any',
};

const reduceOptions: Spec = { calcs: 'any', fields: 'any', values: 'any', limit: 'any' };
const text: Spec = { titleSize: 'any', valueSize: 'any', percentSize: 'any' };
const orientation = ['auto', 'horizontal', 'vertical', ''] as const;

const OPTIONS: Record<string, Spec> = {
  timeseries: { legend, tooltip: 'any', timezone: (value) => ((value as unknown[])?.length ? 'a custom time zone' : undefined) },
  stat: {
    reduceOptions,
    orientation,
    text,
    textMode: ['auto', 'value', 'value_and_name', 'name', 'none'],
    colorMode: ['none', 'value', 'background', 'background_solid'],
    graphMode: ['none', 'area'],
    justifyMode: ['auto', 'center'],
    wideLayout: 'any',
    showPercentChange: 'any',
    percentChangeColorMode: 'any',
  },
  'state-timeline': {
    showValue: ['auto', 'always', 'never'],
    rowHeight: 'any',
    mergeValues: [true],
    alignValue: ['left', 'center', 'right'],
    legend: { ...(legend as object), showLegend: [false] },
    tooltip: 'any',
  },
  bargauge: {
    reduceOptions,
    orientation,
    text,
    displayMode: ['basic', 'gradient', 'lcd'],
    valueMode: ['color', 'text', 'hidden'],
    namePlacement: ['auto', 'top', 'left', 'hidden'],
    showUnfilled: 'any',
    sizing: ['auto', 'manual'],
    minVizWidth: 'any',
    minVizHeight: 'any',
    maxVizHeight: 'any',
    legend: { ...(legend as object), showLegend: off },
    tooltip: 'any',
  },
  table: {
    showHeader: 'any',
    cellHeight: ['sm', 'md', 'lg', 'auto'],
    sortBy: 'any',
    frameIndex: [0],
    showTypeIcons: 'any',
    frozenColumns: 'any',
    enablePagination: 'any',
    // The table footer before Grafana 12.2; later versions keep it in the field options.
    footer: (value) => ((value as { show?: boolean })?.show ? 'an old footer (use custom.footer of a field)' : undefined),
  },
  text: { mode: ['markdown'], content: 'any', code: 'any' },
  row: {},
};

const hideFrom: Spec = { tooltip: 'any', viz: 'any', legend: 'any' };

const CUSTOM: Record<string, Record<string, Spec>> = {
  timeseries: {
    drawStyle: ['line', 'bars', 'points'],
    lineInterpolation: 'any',
    lineWidth: 'any',
    lineStyle: 'any',
    fillOpacity: 'any',
    fillBelowTo: 'any',
    gradientMode: ['none', 'opacity', 'hue', 'scheme'],
    spanNulls: 'any',
    insertNulls: off,
    showPoints: 'any',
    pointSize: 'any',
    barAlignment: 'any',
    barWidthFactor: 'any',
    barMaxWidth: 'any',
    stacking: { mode: ['none', 'normal', 'percent'], group: 'any' },
    transform: off,
    hideFrom,
    axisPlacement: ['auto', 'left', 'right', 'hidden'],
    axisLabel: 'any',
    axisWidth: 'any',
    axisSoftMin: 'any',
    axisSoftMax: 'any',
    axisGridShow: 'any',
    axisBorderShow: 'any',
    axisCenteredZero: 'any',
    axisColorMode: 'any',
    scaleDistribution: 'any',
    thresholdsStyle: { mode: 'any' },
    showValues: off,
  },
  table: {
    align: ['auto', 'left', 'center', 'right'],
    cellOptions: {
      type: ['auto', 'color-text', 'color-background', 'gauge', 'data-links', 'pill', 'json-view', 'markdown'],
      mode: 'any',
      applyToRow: 'any',
      wrapText: 'any',
      valueDisplayMode: 'any',
    },
    filterable: 'any',
    inspect: 'any',
    width: 'any',
    minWidth: 'any',
    hideFrom,
    hidden: off,
    hideHeader: 'any',
    wrapText: 'any',
    wrapHeaderText: 'any',
    footer: { reducers: 'any' },
    sortable: 'any',
  },
  'state-timeline': { lineWidth: [0], fillOpacity: 'any', spanNulls: off, insertNulls: off, hideFrom },
  stat: {},
  bargauge: {},
  text: {},
};

const COLOR_MODES = [
  'thresholds',
  'palette-classic',
  'palette-classic-by-name',
  'fixed',
  'shades',
  'continuous-GrYlRd',
  'continuous-RdYlGr',
  'continuous-BlYlRd',
  'continuous-YlRd',
  'continuous-BlPu',
  'continuous-YlBl',
  'continuous-blues',
  'continuous-reds',
  'continuous-greens',
  'continuous-purples',
] as const;

const STANDARD: Record<string, Spec> = {
  unit: 'any',
  min: 'any',
  max: 'any',
  fieldMinMax: 'any',
  decimals: 'any',
  displayName: 'any',
  description: 'any',
  noValue: 'any',
  color: { mode: COLOR_MODES, fixedColor: 'any', seriesBy: 'any' },
  thresholds: { mode: ['absolute', 'percentage'], steps: 'any' },
  mappings: each({ type: ['value', 'range', 'regex', 'special'], options: 'any' }),
  links: each({ title: 'any', url: 'any', targetBlank: 'any' }),
};

const MATCHERS = ['byName', 'byRegexp', 'byType', 'byFrameRefID', 'byNames'] as const;

export const TRANSFORMATIONS = [
  'organize',
  'merge',
  'joinByField',
  'sortBy',
  'filterFieldsByName',
  'labelsToFields',
  'reduce',
  'groupBy',
  'limit',
  'renameByRegex',
  'calculateField',
  'convertFieldType',
  'seriesToRows',
  'filterByRefId',
] as const;

const TARGET: Spec = {
  refId: 'any',
  expr: 'any',
  legendFormat: 'any',
  format: ['time_series', 'table', undefined],
  instant: 'any',
  range: 'any',
  interval: 'any',
  intervalFactor: 'any',
  hide: 'any',
  datasource: prometheus,
  exemplar: off,
  editorMode: 'any',
  useBackend: 'any',
  fullMetaSearch: 'any',
  includeNullMetadata: 'any',
  disableTextWrap: 'any',
};

const LINK: Spec = {
  title: 'any',
  url: 'any',
  type: ['link', 'dashboards'],
  icon: 'any',
  tooltip: 'any',
  tags: 'any',
  asDropdown: off,
  keepTime: 'any',
  includeVars: 'any',
  targetBlank: 'any',
  placement: [undefined],
};

const PANEL: Record<string, Spec> = {
  id: 'any',
  type: Object.keys(OPTIONS),
  title: 'any',
  description: 'any',
  gridPos: { x: 'any', y: 'any', w: 'any', h: 'any' },
  datasource: prometheus,
  targets: each(TARGET),
  fieldConfig: 'any',
  options: 'any',
  transformations: each({ id: TRANSFORMATIONS, options: 'any', disabled: 'any', filter: 'any' }),
  transparent: 'any',
  interval: 'any',
  maxDataPoints: 'any',
  links: each(LINK),
  pluginVersion: 'any',
  collapsed: 'any',
  panels: 'any',
  repeat: off,
};

const VARIABLE: Spec = {
  name: 'any',
  type: ['datasource', 'query', 'custom', 'interval', 'textbox', 'constant'],
  label: 'any',
  description: 'any',
  hide: [0, 1, 2, undefined],
  query: 'any',
  definition: 'any',
  datasource: prometheus,
  regex: 'any',
  regexApplyTo: ['value', undefined],
  sort: 'any',
  multi: 'any',
  includeAll: 'any',
  allValue: 'any',
  allowCustomValue: 'any',
  current: 'any',
  options: 'any',
  refresh: 'any',
  skipUrlSync: 'any',
  auto: off,
  auto_count: 'any',
  auto_min: 'any',
};

const DASHBOARD: Spec = {
  title: 'any',
  uid: 'any',
  id: 'any',
  version: 'any',
  description: 'any',
  tags: 'any',
  schemaVersion: 'any',
  editable: 'any',
  graphTooltip: 'any',
  fiscalYearStartMonth: 'any',
  liveNow: 'any',
  preload: 'any',
  refresh: 'any',
  time: 'any',
  timepicker: 'any',
  timezone: 'any',
  weekStart: 'any',
  links: each(LINK),
  panels: 'any',
  templating: { list: each(VARIABLE) },
  annotations: {
    list: each((value) => {
      const { builtIn, enable, name } = value as { builtIn?: number; enable?: boolean; name?: string };
      return builtIn || enable === false ? undefined : `the annotation ${name}`;
    }),
  },
};

function check(value: unknown, spec: Spec, path: string, problems: string[]): void {
  if (spec === 'any' || value === undefined) {
    return;
  }
  if (typeof spec === 'function') {
    const problem = spec(value);
    if (problem) {
      problems.push(`${path}: ${problem}`);
    }
  } else if (Array.isArray(spec)) {
    if (!spec.includes(value)) {
      problems.push(`${path}: ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`);
    }
  } else if (spec instanceof Each) {
    for (const [index, item] of ((value as unknown[]) ?? []).entries()) {
      check(item, spec.spec, `${path}[${index}]`, problems);
    }
  } else if (typeof value === 'object' && value !== null) {
    const keys = spec as Record<string, Spec>;
    for (const [key, inner] of Object.entries(value)) {
      const here = path ? `${path}.${key}` : key;
      if (Object.hasOwn(keys, key)) {
        check(inner, keys[key], here, problems);
      } else if (!empty(inner)) {
        problems.push(here);
      }
    }
  }
}

/** An unknown key without a value has no effect. */
const empty = (value: unknown) =>
  value === null || value === false || value === '' || (typeof value === 'object' && Object.keys(value as object).length === 0);

/** Returns the unsupported features of a panel, each as key path and value. */
export function panelProblems(panel: PanelJson): string[] {
  const problems: string[] = [];
  if (!Object.hasOwn(OPTIONS, panel.type)) {
    return [`panel type ${panel.type}`];
  }
  check(panel, PANEL, '', problems);
  check(panel.options, OPTIONS[panel.type], 'options', problems);
  const custom = CUSTOM[panel.type] ?? {};
  const { defaults = {}, overrides = [] } = panel.fieldConfig ?? {};
  if (panel.type !== 'row') {
    check(defaults, { ...STANDARD, custom }, 'fieldConfig.defaults', problems);
  }
  const properties: Record<string, Spec> = { ...STANDARD };
  for (const [key, spec] of Object.entries(custom)) {
    properties[`custom.${key}`] = spec;
  }
  for (const [index, override] of overrides.entries()) {
    const path = `fieldConfig.overrides[${index}]`;
    check(override.matcher.id, MATCHERS, `${path}.matcher.id`, problems);
    for (const { id, value } of override.properties) {
      if (Object.hasOwn(properties, id)) {
        check(value, properties[id], `${path} ${id}`, problems);
      } else {
        problems.push(`${path} ${id}`);
      }
    }
  }
  return problems;
}

export interface Refusal {
  /** Absent if the problem concerns the whole dashboard. */
  panel?: string;
  problems: string[];
}

export const panelName = (panel: PanelJson) => panel.title || `${panel.type} #${panel.id ?? '?'}`;

/** Returns the unsupported features of a dashboard, including panels in collapsed rows. */
export function refusals(dashboard: DashboardJson): Refusal[] {
  const problems: string[] = [];
  if (!Array.isArray(dashboard.panels)) {
    return [{ problems: ['no panels: not the classic dashboard model'] }];
  }
  check(dashboard, DASHBOARD, '', problems);
  for (const variable of dashboard.templating?.list ?? []) {
    if (variable.type === 'query' && !question(queryText(variable))) {
      problems.push(`the query of the variable ${variable.name}: ${queryText(variable)}`);
    }
    if (variable.type === 'datasource' && queryText(variable) !== 'prometheus') {
      problems.push(`the variable ${variable.name}: data source of type ${queryText(variable)}`);
    }
  }
  const panels = dashboard.panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]);
  return [
    ...(problems.length > 0 ? [{ problems }] : []),
    ...panels
      .map((panel) => ({ panel: panelName(panel), problems: panelProblems(panel) }))
      .filter((refusal) => refusal.problems.length > 0),
  ];
}
