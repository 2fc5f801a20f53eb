import type { DataFrame, FieldConfigSource, GrafanaTheme2, TimeRange } from '@grafana/data';

export interface PanelProps {
  frames: DataFrame[];
  /** The panel's options with Grafana's defaults. Their values were checked by `support.ts`. */
  options: any;
  fieldConfig: FieldConfigSource;
  width: number;
  height: number;
  timeRange: TimeRange;
  timeZone: string;
  theme: GrafanaTheme2;
  replaceVariables: (text: string) => string;
}
