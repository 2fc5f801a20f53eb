import type { DataFrame, FieldConfigSource, GrafanaTheme2, TimeRange } from '@grafana/data';

export interface PanelProps {
  frames: DataFrame[];
  /** Panel options with Grafana's defaults; `support.ts` has checked the values. */
  options: any;
  fieldConfig: FieldConfigSource;
  width: number;
  height: number;
  timeRange: TimeRange;
  timeZone: string;
  theme: GrafanaTheme2;
  replaceVariables: (text: string) => string;
}
