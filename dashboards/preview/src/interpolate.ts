/** Replaces `$name`, `${name}`, `${name:format}` and `[[name]]` as Grafana and its Prometheus data source do. */

export const ALL = '$__all';

/** A variable and its selection. */
export interface Selected {
  name: string;
  value: string | string[];
  text: string | string[];
  multi: boolean;
  includeAll: boolean;
  /** Custom value for All, inserted unchanged. */
  allValue?: string;
}

/** The default format of values. */
export type DefaultFormat = 'promql' | 'glob' | 'text' | 'html' | 'percentencode';

export type Lookup = (name: string, field: string | undefined, format: string | undefined) => Selected | string | undefined;

const REFERENCE = /\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)((?:\.[^:^}]+|\[[^\]}]+\][^:^}]*)?)(?::([^}]+))?\}/g;

export class Unresolved extends Error {}

/**
 * `strict` makes an undefined name an error, for queries and links: Grafana would send it unchanged, and the response would
 * look like missing data. Numbers are kept, since `label_replace` uses `$1`.
 */
export function interpolate(text: string, lookup: Lookup, format: DefaultFormat, strict = false): string {
  return text.replace(REFERENCE, (match, plain, square, squareFormat, braced, field, bracedFormat) => {
    const name: string = plain ?? square ?? braced;
    const own: string | undefined = squareFormat ?? bracedFormat;
    const found = lookup(name, field ? field.replace(/^\./, '') : undefined, own);
    if (found === undefined) {
      if (strict && !/^\d+$/.test(name)) {
        throw new Unresolved(`undefined variable \`${match}\``);
      }
      return match;
    }
    return typeof found === 'string' ? found : write(found, own, format);
  });
}

/** Returns the names that a text refers to. */
export function references(text: string): string[] {
  return [...text.matchAll(REFERENCE)].map((match) => match[1] ?? match[2] ?? match[4]);
}

function write(variable: Selected, own: string | undefined, format: DefaultFormat): string {
  const { value, text } = variable;
  if (variable.allValue !== undefined && own !== 'text' && (own !== undefined || format !== 'text')) {
    return own === 'percentencode' || own === 'queryparam' ? byFormat(variable, own) : variable.allValue;
  }
  if (own !== undefined) {
    return byFormat(variable, own);
  }
  switch (format) {
    case 'text':
      return [text].flat().join(' + ');
    case 'html':
      return [value].flat().join(', ').replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
    case 'glob':
      return byFormat(variable, 'glob');
    case 'percentencode':
      return byFormat(variable, 'percentencode');
    case 'promql':
      if (!variable.multi && !variable.includeAll) {
        return [value].flat().join(',').replace(/\\/g, '\\\\').replace(/'/g, "\\\\'");
      }
      return alternatives([value].flat().map(promqlRegex));
  }
}

const promqlRegex = (value: string) => value.replace(/\\/g, '\\\\\\\\').replace(/[$^*{}[\]+?.()|]/g, '\\\\$&');

const alternatives = (values: string[]) => (values.length === 1 ? values[0] : `(${values.join('|')})`);

const encode = (value: string) =>
  encodeURIComponent(value).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

function byFormat(variable: Selected, format: string): string {
  const values = [variable.value].flat();
  switch (format) {
    case 'raw':
    case 'csv':
    case 'raw':
      return values.join(',');
    case 'pipe':
      return values.join('|');
    case 'glob':
      return values.length === 1 ? values[0] : `{${values.join(',')}}`;
    case 'regex':
      return alternatives(values.map((value) => value.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')));
    case 'json':
      return JSON.stringify(variable.value);
    case 'doublequote':
      return values.map((value) => `"${value.replace(/"/g, '\\"')}"`).join(',');
    case 'singlequote':
      return values.map((value) => `'${value.replace(/'/g, "\\'")}'`).join(',');
    case 'text':
      return [variable.text].flat().join(' + ');
    case 'percentencode':
      return encode(values.length === 1 ? values[0] : `{${values.join(',')}}`);
    case 'queryparam':
      return urlParameter(variable);
    default:
      throw new Unresolved(`the variable format \`:${format}\` is not supported`);
  }
}

/** Returns `var-name=value` for each value. All is passed as such, so that the linked page selects All. */
export function urlParameter(variable: Selected): string {
  const all = variable.includeAll && [variable.text].flat().join() === 'All';
  const values = all ? [ALL] : [variable.value].flat();
  return values.map((value) => `var-${variable.name}=${encode(value)}`).join('&');
}
