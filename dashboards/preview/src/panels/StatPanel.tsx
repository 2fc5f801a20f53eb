import {
  type FieldDisplay,
  VizOrientation,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
} from '@grafana/data';
import { BigValue, BigValueGraphMode, BigValueTextMode, VizRepeater } from '@grafana/ui';
import type { PanelProps } from './types';

export function StatPanel({ frames, options, fieldConfig, width, height, timeRange, timeZone, theme, replaceVariables }: PanelProps) {
  const values = (): FieldDisplay[] =>
    getFieldDisplayValues({
      data: frames,
      fieldConfig,
      reduceOptions: options.reduceOptions,
      replaceVariables,
      theme,
      timeZone,
      sparkline: options.graphMode !== BigValueGraphMode.None,
      percentChange: options.showPercentChange,
    }).map((value) => (value.sparkline ? { ...value, sparkline: { ...value.sparkline, timeRange } } : value));
  // An explicit display name is shown.
  const textMode =
    options.textMode === BigValueTextMode.Auto && fieldConfig.defaults.displayName
      ? BigValueTextMode.ValueAndName
      : options.textMode;
  return (
    <VizRepeater
      source={frames}
      getValues={values}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      width={width}
      height={height}
      renderCounter={0}
      autoGrid
      orientation={(options.orientation as VizOrientation) || VizOrientation.Auto}
      itemSpacing={3}
      renderValue={({ value, width, height, alignmentFactors, count }) => (
        <BigValue
          value={value.display}
          count={count}
          sparkline={value.sparkline}
          colorMode={options.colorMode}
          graphMode={options.graphMode}
          justifyMode={options.justifyMode}
          textMode={textMode}
          alignmentFactors={alignmentFactors}
          text={options.text}
          width={width}
          height={height}
          theme={theme}
          hasLinks={value.hasLinks}
          percentChangeColorMode={options.percentChangeColorMode}
          disableWideLayout={!options.wideLayout}
        />
      )}
    />
  );
}
