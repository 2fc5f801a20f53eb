/** Dashboard variables: options and selection. */

import type { VariableJson } from './dashboard';
import { ALL, type Selected, references } from './interpolate';

export interface Option {
  text: string;
  value: string;
}

export interface Variable extends Selected {
  label: string;
  /** 0: visible, 1: label hidden, 2: hidden. */
  hide: number;
  type: string;
  options: Option[];
}

const LABEL_VALUES = /^label_values\((?:(.+),\s*)?([a-zA-Z_$][\w$]*)\)\s*$/s;
const QUERY_RESULT = /^query_result\((.+)\)\s*$/s;
const METRICS = /^metrics\((.+)\)\s*$/s;

/** Query of a variable of type `query`. */
export type Question =
  | { kind: 'label_values'; label: string; selector?: string }
  | { kind: 'query_result'; expr: string };

/** Parses a query such as `label_values(up, job)`; undefined if it is of another kind. */
export function question(query: string): Question | undefined {
  const values = query.match(LABEL_VALUES);
  if (values) {
    const selector = values[1]?.trim();
    return { kind: 'label_values', label: values[2], selector: selector && selector !== '{}' ? selector : undefined };
  }
  const metrics = query.match(METRICS);
  if (metrics) {
    return { kind: 'label_values', label: '__name__', selector: `{__name__=~"${metrics[1]}"}` };
  }
  const result = query.match(QUERY_RESULT);
  return result ? { kind: 'query_result', expr: result[1] } : undefined;
}

export const queryText = (variable: VariableJson): string =>
  (typeof variable.query === 'object' ? variable.query?.query : variable.query) ?? '';

/** Sorts variables so that each follows those that its query refers to. */
export function ordered(variables: VariableJson[]): VariableJson[] {
  const done: VariableJson[] = [];
  const names = new Set(variables.map((variable) => variable.name));
  let left = variables;
  while (left.length > 0) {
    const known = new Set(done.map((variable) => variable.name));
    const ready = left.filter((variable) =>
      references(queryText(variable) + (variable.regex ?? '')).every((name) => !names.has(name) || known.has(name))
    );
    if (ready.length === 0) {
      throw new Error(`circular references between variables ${left.map((variable) => variable.name).join(', ')}`);
    }
    done.push(...ready);
    left = left.filter((variable) => !ready.includes(variable));
  }
  return done;
}

/** Parses the options of a `custom` or `interval` variable: `a,b`, `text : value`, `a\,b`. */
export function listed(query: string): Option[] {
  const items = query.match(/(?:\\,|[^,])+/g) ?? [];
  return items.map((item) => {
    const plain = item.replace(/\\,/g, ',').trim();
    const pair = plain.match(/^\s*(.+)\s:\s(.+)$/);
    return pair ? { text: pair[1].trim(), value: pair[2].trim() } : { text: plain, value: plain };
  });
}

/** Applies `regex` with its groups (`text`, `value` or the first), removes duplicates, and sorts. */
export function options(found: string[], regex: string | undefined, sort = 0): Option[] {
  const seen = new Map<string, Option>();
  const pattern = regex ? toRegExp(regex) : undefined;
  for (const item of found) {
    let option: Option | undefined = { text: item, value: item };
    if (pattern) {
      const match = pattern.exec(item);
      pattern.lastIndex = 0;
      const text = match?.groups?.text;
      const value = match?.groups?.value;
      const plain = match?.[1] ?? match?.[0] ?? '';
      option = match ? { text: text ?? value ?? plain, value: value ?? text ?? plain } : undefined;
    }
    if (option && !seen.has(option.value)) {
      seen.set(option.value, option);
    }
  }
  return sorted([...seen.values()], sort);
}

function toRegExp(text: string): RegExp {
  const parts = text.match(/^\/(.*)\/([gimuy]*)$/s);
  return parts ? new RegExp(parts[1], parts[2].replace('g', '')) : new RegExp(text);
}

/** Sort orders: 0 none, then ascending and descending alphabetical, numerical, case-insensitive, natural. */
function sorted(list: Option[], sort: number): Option[] {
  if (sort === 0) {
    return list;
  }
  const number = (option: Option) => Number(option.text.match(/.*?(\d+).*/)?.[1] ?? -1);
  const text = new Intl.Collator('en').compare;
  const natural = new Intl.Collator('en', { numeric: true, sensitivity: 'base' }).compare;
  const orders: Array<(a: Option, b: Option) => number> = [
    (a, b) => text(a.text, b.text),
    (a, b) => number(a) - number(b),
    (a, b) => text(a.text.toLowerCase(), b.text.toLowerCase()),
    (a, b) => natural(a.text, b.text),
  ];
  const order = orders[Math.ceil(sort / 2) - 1];
  if (!order) {
    throw new Error(`sort order ${sort} of a variable is not supported`);
  }
  const result = [...list].sort(order);
  return sort % 2 === 0 ? result.reverse() : result;
}

/**
 * Returns the selection: the values in the URL, else those saved in the dashboard if they are options, else All, else the
 * first option.
 */
export function select(json: VariableJson, list: Option[], asked: string[]): Selected {
  const multi = json.multi ?? false;
  const includeAll = json.includeAll ?? false;
  const base = { name: json.name, multi, includeAll };
  const all = (): Selected => ({
    ...base,
    value: list.map((option) => option.value),
    text: 'All',
    allValue: json.allValue || undefined,
  });
  const saved = [json.current?.value ?? []].flat();
  const free = json.type === 'textbox' || json.type === 'constant';
  const wanted = asked.length > 0 ? asked : free ? [queryText(json)] : saved;
  if (free) {
    const value = json.type === 'textbox' && asked.length === 0 && saved.length > 0 ? saved[0] : wanted[0];
    return { ...base, value, text: value };
  }
  if (includeAll && wanted.some((value) => value === ALL || value === 'All')) {
    return all();
  }
  const chosen = list.filter((option) => wanted.includes(option.value) || wanted.includes(option.text));
  if (chosen.length === 0) {
    const missing = asked.filter((value) => value !== '');
    if (missing.length > 0) {
      throw new Error(`variable ${json.name} has no option ${missing.join(', ')}`);
    }
    if (includeAll) {
      return all();
    }
    const first = list[0] ?? { text: '', value: '' };
    return { ...base, value: multi ? [first.value] : first.value, text: multi ? [first.text] : first.text };
  }
  return multi
    ? { ...base, value: chosen.map((option) => option.value), text: chosen.map((option) => option.text) }
    : { ...base, value: chosen[0].value, text: chosen[0].text };
}
