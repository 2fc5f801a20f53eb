import { type Field, FieldType, colorManipulator, dateTimeFormat, getFieldDisplayName } from '@grafana/data';
import { getTextColorForAlphaBackground, useTheme2 } from '@grafana/ui';
import { periods, ticks } from '../timeline';
import { graphable } from './TimeSeriesPanel';
import type { PanelProps } from './types';

const MINUTE = 60_000;
const AXIS = 20;
const LETTER = 6.6;

export function StateTimelinePanel({ frames, options, width, height, timeRange, timeZone }: PanelProps) {
  const theme = useTheme2();
  const from = timeRange.from.valueOf();
  const to = timeRange.to.valueOf();
  const rows = graphable(frames).flatMap((frame) => {
    const time = frame.fields.find((field) => field.type === FieldType.time)!;
    return frame.fields
      .filter((field) => field.type === FieldType.number)
      .map((field) => ({
        field,
        name: getFieldDisplayName(field, frame, frames),
        periods: periods(time.values, field.values, time.config.interval ?? undefined, to),
      }));
  });
  const gutter = Math.min(width / 3, Math.max(...rows.map(({ name }) => name.length)) * LETTER + 12);
  const inner = width - gutter - 8;
  const row = (height - AXIS) / rows.length;
  const x = (time: number) => gutter + (Math.min(Math.max(time, from), to) - from) / (to - from) * inner;
  return (
    <svg width={width} height={height} fontSize={12} fontFamily={theme.typography.fontFamily}>
      {ticks(from, to, inner).map((time) => (
        <g key={time} fill={theme.colors.text.primary}>
          <line x1={x(time)} x2={x(time)} y1={0} y2={height - AXIS} stroke={theme.colors.border.weak} />
          <text x={x(time)} y={height - 4} textAnchor="middle">
            {dateTimeFormat(time, { format: to - from > 24 * 60 * MINUTE ? 'MM-DD HH:mm' : 'HH:mm', timeZone })}
          </text>
        </g>
      ))}
      {rows.map(({ field, name, periods }, index) => (
        <g key={index}>
          <text x={gutter - 8} y={(index + 0.5) * row} dominantBaseline="central" textAnchor="end" fill={theme.colors.text.primary}>
            {name}
          </text>
          {periods.map((period) => (
            <Bar
              key={period.from}
              field={field}
              value={period.value}
              left={x(period.from)}
              right={x(period.to)}
              top={(index + (1 - options.rowHeight) / 2) * row}
              height={row * options.rowHeight}
              options={options}
            />
          ))}
        </g>
      ))}
    </svg>
  );
}

type Align = 'left' | 'center' | 'right';
const PLACES: Record<Align, (left: number, width: number) => { at: number; anchor: 'start' | 'middle' | 'end' }> = {
  left: (left) => ({ at: left + 4, anchor: 'start' }),
  center: (left, width) => ({ at: left + width / 2, anchor: 'middle' }),
  right: (left, width) => ({ at: left + width - 4, anchor: 'end' }),
};

interface BarProps {
  field: Field;
  value: number;
  left: number;
  right: number;
  top: number;
  height: number;
  options: any;
}

function Bar({ field, value, left, right, top, height, options }: BarProps) {
  const theme = useTheme2();
  const { text, color = theme.colors.text.secondary } = field.display!(value);
  const width = Math.max(right - left, 1);
  const fits = text.length * LETTER + 8 < width;
  const shown = options.showValue === 'always' || (options.showValue === 'auto' && fits);
  const { at, anchor } = PLACES[options.alignValue as Align](left, width);
  const opacity = (field.config.custom?.fillOpacity ?? 70) / 100;
  const fill = colorManipulator.alpha(color, opacity);
  return (
    <>
      <rect x={left} y={top} width={width} height={height} fill={fill} />
      {shown && (
        <text x={at} y={top + height / 2} dominantBaseline="central" textAnchor={anchor} fill={getTextColorForAlphaBackground(fill, theme.isDark)}>
          {text}
        </text>
      )}
    </>
  );
}
