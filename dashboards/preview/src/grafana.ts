/** Sets up what Grafana's page provides: registries and panel options. */

import {
  FieldColorModeId,
  type FieldConfigPropertyItem,
  PanelPlugin,
  ThresholdsMode,
  dataLinksOverrideProcessor,
  displayNameOverrideProcessor,
  identityOverrideProcessor,
  locationUtil,
  numberOverrideProcessor,
  standardFieldConfigEditorRegistry,
  standardTransformers,
  standardTransformersRegistry,
  stringOverrideProcessor,
  thresholdsOverrideProcessor,
  unitOverrideProcessor,
  valueMappingsOverrideProcessor,
} from '@grafana/data';
import type { TransformerRegistryItem } from '@grafana/data';
import { TRANSFORMATIONS } from './support';

type Process = FieldConfigPropertyItem['process'];

const standardOption = (id: string, process: unknown, defaultValue?: unknown, settings: object = {}) =>
  ({
    id,
    path: id,
    name: id,
    editor: () => null,
    override: () => null,
    process: process as Process,
    shouldApply: () => true,
    settings,
    defaultValue,
  }) as unknown as FieldConfigPropertyItem;

export function initialize(): void {
  standardFieldConfigEditorRegistry.setInit(() => [
    standardOption('unit', unitOverrideProcessor),
    standardOption('min', numberOverrideProcessor),
    standardOption('max', numberOverrideProcessor),
    standardOption('fieldMinMax', identityOverrideProcessor),
    standardOption('decimals', numberOverrideProcessor),
    standardOption('displayName', displayNameOverrideProcessor),
    standardOption('description', stringOverrideProcessor),
    standardOption('noValue', stringOverrideProcessor),
    standardOption('color', identityOverrideProcessor, undefined, { byValueSupport: true, preferThresholdsByDefault: true }),
    standardOption('thresholds', thresholdsOverrideProcessor, {
      mode: ThresholdsMode.Absolute,
      steps: [
        { value: -Infinity, color: 'green' },
        { value: 80, color: 'red' },
      ],
    }),
    standardOption('mappings', valueMappingsOverrideProcessor, []),
    standardOption('links', dataLinksOverrideProcessor),
  ]);
  standardTransformersRegistry.setInit(() => {
    const known = Object.values(standardTransformers).filter((transformer) =>
      (TRANSFORMATIONS as readonly string[]).includes(transformer.id)
    );
    // Some are registered twice, under an old name too.
    return [...new Map(known.map((transformer) => [transformer.id, transformer])).values()].map(
      (transformer) =>
        ({
          id: transformer.id,
          name: transformer.name,
          transformation: () => Promise.resolve(transformer),
          editor: () => null,
        }) as unknown as TransformerRegistryItem
    );
  });
  locationUtil.initialize({
    config: { appSubUrl: '', appUrl: '' } as Parameters<typeof locationUtil.initialize>[0]['config'],
    getVariablesUrlParams: () => ({}),
    getTimeRangeForUrl: () => ({ from: '', to: '' }),
  });
}

/** Options and custom field options with the defaults of Grafana's panels. `undefined`: none. */
interface Defaults {
  options: Record<string, unknown>;
  custom: Record<string, unknown>;
  color?: Parameters<PanelPlugin['useFieldConfig']>[0];
}

const hideFrom = { tooltip: false, viz: false, legend: false };
const reduceOptions = { values: false, calcs: ['lastNotNull'], fields: '' };

const DEFAULTS: Record<string, Defaults> = {
  timeseries: {
    options: {
      legend: { showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [] },
      tooltip: { mode: 'single', sort: 'none' },
    },
    custom: {
      drawStyle: 'line',
      lineInterpolation: 'linear',
      lineWidth: 1,
      lineStyle: undefined,
      fillOpacity: 0,
      fillBelowTo: undefined,
      gradientMode: 'none',
      spanNulls: false,
      insertNulls: false,
      showPoints: 'auto',
      pointSize: 5,
      barAlignment: 0,
      barWidthFactor: 0.6,
      barMaxWidth: undefined,
      stacking: { mode: 'none', group: 'A' },
      hideFrom,
      axisPlacement: 'auto',
      axisLabel: '',
      axisWidth: undefined,
      axisSoftMin: undefined,
      axisSoftMax: undefined,
      axisGridShow: undefined,
      axisBorderShow: false,
      axisCenteredZero: false,
      axisColorMode: 'text',
      scaleDistribution: { type: 'linear' },
      thresholdsStyle: { mode: 'off' },
    },
    color: {
      standardOptions: {
        color: {
          settings: { byValueSupport: true, bySeriesSupport: true, preferThresholdsByDefault: false },
          defaultValue: { mode: FieldColorModeId.PaletteClassic },
        },
      },
    },
  },
  stat: {
    options: {
      reduceOptions,
      orientation: 'auto',
      textMode: 'auto',
      colorMode: 'value',
      graphMode: 'area',
      justifyMode: 'auto',
      wideLayout: true,
      showPercentChange: false,
      percentChangeColorMode: 'standard',
    },
    custom: {},
  },
  'state-timeline': {
    options: {
      showValue: 'auto',
      rowHeight: 0.9,
      mergeValues: true,
      alignValue: 'left',
      legend: { showLegend: true, displayMode: 'list', placement: 'bottom' },
      tooltip: { mode: 'single', sort: 'none' },
    },
    custom: { lineWidth: 0, fillOpacity: 70, spanNulls: false, insertNulls: false, hideFrom },
    color: {
      standardOptions: {
        color: {
          settings: { byValueSupport: true, bySeriesSupport: true, preferThresholdsByDefault: true },
          defaultValue: { mode: FieldColorModeId.Thresholds },
        },
      },
    },
  },
  bargauge: {
    options: {
      reduceOptions,
      orientation: 'auto',
      displayMode: 'gradient',
      valueMode: 'color',
      namePlacement: 'auto',
      showUnfilled: true,
      sizing: 'auto',
      minVizWidth: 8,
      minVizHeight: 16,
      maxVizHeight: 300,
    },
    custom: {},
  },
  table: {
    options: { showHeader: true, cellHeight: 'sm', showTypeIcons: false, frameIndex: 0, enablePagination: false },
    custom: {
      align: 'auto',
      cellOptions: { type: 'auto' },
      filterable: false,
      inspect: false,
      width: undefined,
      minWidth: undefined,
      hideFrom: { viz: false },
      hideHeader: undefined,
      wrapText: undefined,
      wrapHeaderText: undefined,
      footer: { reducers: [] },
      sortable: undefined,
    },
  },
  text: { options: { mode: 'markdown', content: '' }, custom: {} },
};

const plugins = new Map<string, PanelPlugin>();

/** Returns a plugin with the options of Grafana's panel of that type, without a component. */
export function plugin(type: string): PanelPlugin {
  const known = plugins.get(type);
  if (known) {
    return known;
  }
  const { options, custom, color } = DEFAULTS[type];
  const made = new PanelPlugin(null);
  made.meta = { id: type, name: type } as PanelPlugin['meta'];
  made.setPanelOptions((builder) => {
    for (const [path, defaultValue] of Object.entries(options)) {
      builder.addCustomEditor({ id: path, path, name: path, editor: () => null, defaultValue });
    }
  });
  made.useFieldConfig({
    ...color,
    useCustomConfig: (builder) => {
      for (const [path, defaultValue] of Object.entries(custom)) {
        builder.addCustomEditor({
          id: path,
          path,
          name: path,
          editor: () => null,
          override: () => null,
          process: identityOverrideProcessor,
          shouldApply: () => true,
          defaultValue,
        } as unknown as Parameters<typeof builder.addCustomEditor>[0]);
      }
    },
  });
  plugins.set(type, made);
  return made;
}
