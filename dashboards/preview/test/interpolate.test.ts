import { expect, test } from 'vitest';
import { type Selected, interpolate, references, urlParameter } from '../src/interpolate';

const selected = (values: Partial<Selected>): Selected => ({
  name: 'job',
  value: 'a.b',
  text: 'a.b',
  multi: false,
  includeAll: false,
  ...values,
});
const promql = (text: string, variable: Selected) =>
  interpolate(text, (name) => (name === variable.name ? variable : undefined), 'promql', true);

test('the three spellings of a variable are replaced', () => {
  expect(promql('$job ${job} [[job]]', selected({}))).toBe('a.b a.b a.b');
});

test('a variable with a single value is not a regular expression', () => {
  expect(promql('up{job="$job"}', selected({ value: 'a.b(c)' }))).toBe('up{job="a.b(c)"}');
});

test('a value of a multiple variable is escaped for a regular expression in a PromQL string', () => {
  expect(promql('up{job=~"$job"}', selected({ value: ['a.b'], multi: true }))).toBe('up{job=~"a\\\\.b"}');
});

test('several values become alternatives', () => {
  expect(promql('up{job=~"$job"}', selected({ value: ['a', 'b'], multi: true }))).toBe('up{job=~"(a|b)"}');
});

test('a custom value for All is inserted unchanged', () => {
  const all = selected({ value: ['a', 'b'], text: 'All', multi: true, includeAll: true, allValue: '.+' });
  expect(promql('up{job=~"$job"}', all)).toBe('up{job=~".+"}');
  expect(interpolate('Jobs: $job', () => all, 'text')).toBe('Jobs: All');
  expect(interpolate('Jobs: $job', () => all, 'html')).toBe('Jobs: .+');
});

test('formats are applied', () => {
  const two = selected({ value: ['a.b', 'c'], text: ['A', 'C'], multi: true });
  const write = (format: string) => promql(`\${job:${format}}`, two);
  expect(write('regex')).toBe('(a\\.b|c)');
  expect(write('pipe')).toBe('a.b|c');
  expect(write('csv')).toBe('a.b,c');
  expect(write('text')).toBe('A + C');
  expect(write('json')).toBe('["a.b","c"]');
  expect(write('queryparam')).toBe('var-job=a.b&var-job=c');
  expect(() => write('sqlstring')).toThrow('`:sqlstring` is not supported');
});

test('an undefined name is an error in a query, except the groups of label_replace', () => {
  expect(() => promql('up{a="$nowhere"}', selected({}))).toThrow('undefined variable `$nowhere`');
  expect(promql('label_replace(up, "a", "$1", "b", "(.*)")', selected({}))).toContain('"$1"');
});

test('a link passes All by its name', () => {
  expect(urlParameter(selected({ value: ['a', 'b'], text: 'All', includeAll: true, multi: true }))).toBe('var-job=%24__all');
});

test('references are found', () => {
  expect(references('label_values(up{a="$one",b=~"${two:regex}"}, [[three]])')).toEqual(['one', 'two', 'three']);
});

test('values in Markdown are escaped', () => {
  expect(interpolate('$job', () => selected({ value: ['<b>', 'c'], multi: true }), 'html')).toBe('&#60;b&#62;, c');
});
