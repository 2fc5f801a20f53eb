import {
  type FieldDisplay,
  VizOrientation,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
} from '@grafana/data';
import { BarGaugeDisplayMode, BarGaugeSizing } from '@grafana/schema';
import { BarGauge, VizRepeater } from '@grafana/ui';
import type { PanelProps } from './types';

const AUTOMATIC = { minVizWidth: 8, minVizHeight: 16, maxVizHeight: 300 };

export function BarGaugePanel({ frames, options, fieldConfig, width, height, timeZone, theme, replaceVariables }: PanelProps) {
  const values = (): FieldDisplay[] =>
    getFieldDisplayValues({
      data: frames,
      fieldConfig,
      reduceOptions: options.reduceOptions,
      replaceVariables,
      theme,
      timeZone,
    });
  const sizes = options.sizing === BarGaugeSizing.Manual ? options : AUTOMATIC;
  return (
    <VizRepeater
      source={frames}
      getValues={values}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      width={width}
      height={height}
      renderCounter={0}
      orientation={(options.orientation as VizOrientation) || VizOrientation.Auto}
      itemSpacing={options.displayMode === BarGaugeDisplayMode.Lcd ? 2 : 10}
      minVizWidth={sizes.minVizWidth}
      minVizHeight={sizes.minVizHeight}
      maxVizHeight={sizes.maxVizHeight}
      renderValue={({ value: { display, field, view, colIndex }, width, height, orientation, alignmentFactors, count }) => (
        <BarGauge
          // The panel title already describes a single bar.
          value={count === 1 && !field.displayName ? { ...display, title: undefined } : display}
          width={width}
          height={height}
          orientation={orientation}
          field={field}
          text={options.text}
          display={view && colIndex !== undefined ? view.getFieldDisplayProcessor(colIndex) : undefined}
          theme={theme}
          itemSpacing={options.displayMode === BarGaugeDisplayMode.Lcd ? 2 : 10}
          displayMode={options.displayMode}
          alignmentFactors={count > 1 ? alignmentFactors : undefined}
          showUnfilled={options.showUnfilled}
          valueDisplayMode={options.valueMode}
          namePlacement={options.namePlacement}
        />
      )}
    />
  );
}
