/** The supported parts of Grafana's dashboard JSON (classic model, `schemaVersion` 39 and later). */

import type { DataTransformerConfig, FieldConfigSource } from '@grafana/data';

export interface GridPos {
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface Target {
  refId: string;
  expr: string;
  legendFormat?: string;
  format?: 'time_series' | 'table';
  instant?: boolean;
  range?: boolean;
  interval?: string;
  intervalFactor?: number;
  hide?: boolean;
}

export interface PanelJson {
  id?: number;
  type: string;
  title?: string;
  description?: string;
  gridPos: GridPos;
  targets?: Target[];
  fieldConfig?: FieldConfigSource;
  options?: Record<string, unknown>;
  transformations?: DataTransformerConfig[];
  transparent?: boolean;
  interval?: string;
  maxDataPoints?: number | null;
  links?: LinkJson[];
  /** For rows: whether it is collapsed, and the panels of a collapsed row. */
  collapsed?: boolean;
  panels?: PanelJson[];
}

export interface LinkJson {
  title: string;
  url?: string;
  type?: 'link' | 'dashboards';
  icon?: string;
  tooltip?: string;
  tags?: string[];
  asDropdown?: boolean;
  keepTime?: boolean;
  includeVars?: boolean;
  targetBlank?: boolean;
}

export type VariableText = string | string[];

export interface VariableJson {
  name: string;
  type: string;
  label?: string | null;
  hide?: number;
  query?: string | { query?: string };
  regex?: string;
  sort?: number;
  multi?: boolean;
  includeAll?: boolean;
  allValue?: string | null;
  current?: { text?: VariableText; value?: VariableText };
  options?: Array<{ text: VariableText; value: VariableText; selected?: boolean }>;
  auto?: boolean;
}

export interface DashboardJson {
  title: string;
  uid?: string;
  description?: string;
  timezone?: string;
  weekStart?: string;
  refresh?: string | boolean;
  time?: { from: string; to: string };
  panels?: PanelJson[];
  templating?: { list?: VariableJson[] };
  annotations?: { list?: Array<Record<string, unknown>> };
  links?: LinkJson[];
}
