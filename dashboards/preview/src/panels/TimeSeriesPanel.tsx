import { type DataFrame, FieldType } from '@grafana/data';
import { TimeSeries } from '@grafana/ui';
import { withGaps } from '../query';
import type { PanelProps } from './types';

/** Returns the frames with times and numbers; values that are not finite are gaps. */
export function graphable(frames: DataFrame[]): DataFrame[] {
  return frames
    .map((frame) => ({
      ...frame,
      fields: frame.fields
        .filter((field) => field.type === FieldType.time || field.type === FieldType.number)
        .map((field) =>
          field.type === FieldType.number
            ? { ...field, values: field.values.map((value) => (Number.isFinite(value) ? value : null)) }
            : field
        ),
    }))
    .filter(
      (frame) =>
        frame.length > 0 &&
        frame.fields.some((field) => field.type === FieldType.time) &&
        frame.fields.some((field) => field.type === FieldType.number)
    );
}

export function TimeSeriesPanel({ frames, options, width, height, timeRange, timeZone }: PanelProps) {
  return (
    <TimeSeries
      frames={withGaps(graphable(frames), timeRange)}
      structureRev={1}
      timeRange={timeRange}
      timeZone={timeZone}
      width={width}
      height={height}
      legend={options.legend}
      options={options}
    />
  );
}
