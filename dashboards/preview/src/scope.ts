/** Resolves variable names: those of the dashboard, built-in ones, and the fields of a table row for links. */

import { type DataFrame, type Field, type ScopedVars, type TimeRange, formattedValueToString, getFieldDisplayName } from '@grafana/data';
import type { Target } from './dashboard';
import { type DefaultFormat, type Lookup, Unresolved, interpolate, urlParameter } from './interpolate';
import type { Variable } from './variables';

interface DataContext {
  frame: DataFrame;
  field: Field;
  rowIndex?: number;
  calculatedValue?: { text: string; numeric: number };
}

export const duration = (ms: number) => (ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`);

export class Scope {
  constructor(
    private readonly variables: Variable[],
    private readonly timeRange: TimeRange,
    private readonly dashboard: string,
    private readonly steps?: { step: number; rate: number }
  ) {}

  withIntervals(step: number, rate: number): Scope {
    return new Scope(this.variables, this.timeRange, this.dashboard, { step, rate });
  }

  /** Interpolates PromQL. An undefined name is an error. */
  query(text: string): string {
    return interpolate(text, this.lookup(), 'promql', true);
  }

  /** Interpolates titles, with the text of the selected options. */
  text(text: string): string {
    return interpolate(text, this.lookup(), 'text');
  }

  /** Interpolates the Markdown of a panel, with values. */
  markdown(text: string): string {
    return interpolate(text, this.lookup(), 'html');
  }

  /** Interpolates descriptions. */
  description(text: string): string {
    return interpolate(text, this.lookup(), 'glob');
  }

  /** Interpolates legends, where Grafana formats variables as in other text. */
  target(target: Target): Target {
    return target.legendFormat
      ? { ...target, legendFormat: interpolate(target.legendFormat, this.lookup(), 'glob') }
      : target;
  }

  /** Interpolates links and requests of Grafana's own code. An undefined name is an error. */
  replace(text: string, scopedVars?: ScopedVars, format?: string): string {
    const style: DefaultFormat = format === 'percentencode' || format === 'text' ? format : 'glob';
    return interpolate(text, this.lookup(scopedVars), style, true);
  }

  private lookup(scopedVars?: ScopedVars): Lookup {
    return (name, field, format) => {
      const own = this.builtIn(name, field, scopedVars);
      if (own !== undefined) {
        return format === 'percentencode' ? encodeURIComponent(own) : own;
      }
      return this.variables.find((variable) => variable.name === name);
    };
  }

  private builtIn(name: string, field: string | undefined, scopedVars: ScopedVars | undefined): string | undefined {
    const from = this.timeRange.from.valueOf();
    const to = this.timeRange.to.valueOf();
    const data = scopedVars?.__dataContext?.value as DataContext | undefined;
    switch (name) {
      case '__interval':
        return this.steps && duration(this.steps.step);
      case '__interval_ms':
        return this.steps && String(this.steps.step);
      case '__rate_interval':
        return this.steps && duration(this.steps.rate);
      case '__range':
        return `${Math.round((to - from) / 1000)}s`;
      case '__range_s':
        return String(Math.round((to - from) / 1000));
      case '__range_ms':
        return String(to - from);
      case '__from':
      case '__to':
        if (field) {
          throw new Unresolved(`\`\${${name}.${field}}\` is not supported`);
        }
        return String(name === '__from' ? from : to);
      case '__url_time_range':
        return `from=${encodeURIComponent(String(this.timeRange.raw.from))}&to=${encodeURIComponent(String(this.timeRange.raw.to))}`;
      case '__all_variables':
        return this.variables.map(urlParameter).join('&');
      case '__dashboard':
        return this.dashboard;
      case '__data':
      case '__value':
      case '__field':
      case '__series':
        return data && fromData(name, field ?? '', data);
      default:
        return undefined;
    }
  }
}

function fromData(name: string, path: string, data: DataContext): string {
  const { frame, field, rowIndex = 0 } = data;
  const unsupported = () => new Unresolved(`\`\${${name}.${path}}\` is not supported`);
  switch (name) {
    case '__data': {
      const wanted = path.match(/^fields(?:\.(\w+)|\[(\d+)\]|\[["'](.+?)["']\])(?:\.(text|numeric))?$/);
      if (!wanted) {
        throw unsupported();
      }
      const label = wanted[1] ?? wanted[3];
      const found = label
        ? frame.fields.find((item) => item.name === label || getFieldDisplayName(item, frame) === label)
        : frame.fields[Number(wanted[2])];
      if (!found) {
        throw new Unresolved(`\`\${${name}.${path}}\`: no such field`);
      }
      return cell(found, rowIndex, wanted[4]);
    }
    case '__value':
      if (data.calculatedValue && (path === 'text' || path === 'raw' || path === 'numeric' || path === '')) {
        return path === 'text' ? data.calculatedValue.text : String(data.calculatedValue.numeric);
      }
      if (!['raw', 'text', 'numeric', ''].includes(path)) {
        throw unsupported();
      }
      return cell(field, rowIndex, path === 'raw' ? undefined : path);
    case '__field': {
      const label = path.match(/^labels(?:\.(\w+)|\[["'](.+?)["']\])$/);
      if (label) {
        return field.labels?.[label[1] ?? label[2]] ?? '';
      }
      if (path !== 'name' && path !== 'displayName') {
        throw unsupported();
      }
      return getFieldDisplayName(field, frame);
    }
    default:
      if (path !== 'name') {
        throw unsupported();
      }
      return getFieldDisplayName(field, frame);
  }
}

function cell(field: Field, row: number, as: string | undefined): string {
  const value = field.values[row];
  if (as === 'text' && field.display) {
    return formattedValueToString(field.display(value));
  }
  return String(value ?? '');
}
