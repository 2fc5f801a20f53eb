import { expect, test } from 'vitest';
import { listed, options, ordered, question, select } from '../src/variables';

test('variable queries are parsed', () => {
  expect(question('label_values(job)')).toEqual({ kind: 'label_values', label: 'job' });
  expect(question('label_values(up{a="b,c"}, job)')).toEqual({ kind: 'label_values', label: 'job', selector: 'up{a="b,c"}' });
  expect(question('query_result(topk(3, up))')).toEqual({ kind: 'query_result', expr: 'topk(3, up)' });
  expect(question('metrics(aws_.*)')).toEqual({ kind: 'label_values', label: '__name__', selector: '{__name__=~"aws_.*"}' });
  expect(question('up')).toBeUndefined();
});

test('a regex filters, extracts and names', () => {
  expect(options(['a-1', 'b-2', 'x'], '/.-(\\d)/')).toEqual([
    { text: '1', value: '1' },
    { text: '2', value: '2' },
  ]);
  expect(options(['n="Acme" id="c-1"'], '/n="(?<text>[^"]+)" id="(?<value>[^"]+)/')).toEqual([{ text: 'Acme', value: 'c-1' }]);
});

test('options are sorted and unique', () => {
  const texts = (sort: number) => options(['j10', 'J2', 'j10', 'a'], undefined, sort).map(({ text }) => text);
  expect(texts(0)).toEqual(['j10', 'J2', 'a']);
  expect(texts(1)).toEqual(['a', 'j10', 'J2']);
  expect(texts(3)).toEqual(['a', 'J2', 'j10']);
  expect(texts(4)).toEqual(['j10', 'J2', 'a']);
  expect(() => texts(9)).toThrow('sort order 9');
});

test('custom lists have texts, values and escaped commas', () => {
  expect(listed('one : 1, b\\,c')).toEqual([
    { text: 'one', value: '1' },
    { text: 'b,c', value: 'b,c' },
  ]);
});

test('variables follow those that they refer to', () => {
  const variable = (name: string, query: string) => ({ name, type: 'query', query });
  const names = ordered([variable('b', 'label_values(up{a="$a"}, b)'), variable('a', 'label_values(a)')]).map(({ name }) => name);
  expect(names).toEqual(['a', 'b']);
  expect(() => ordered([variable('a', '$b'), variable('b', '$a')])).toThrow('circular references');
});

const list = ['x', 'y'].map((value) => ({ text: value, value }));

test('the URL takes precedence over the saved selection', () => {
  const json = { name: 'v', type: 'query', current: { text: 'x', value: 'x' } };
  expect(select(json, list, []).value).toBe('x');
  expect(select(json, list, ['y']).value).toBe('y');
  expect(() => select(json, list, ['z'])).toThrow('has no option z');
});

test('a saved value that no longer exists is replaced by All or the first option', () => {
  const json = { name: 'v', type: 'query', current: { text: 'gone', value: 'gone' } };
  expect(select(json, list, []).value).toBe('x');
  expect(select({ ...json, includeAll: true, multi: true, allValue: '.*' }, list, [])).toMatchObject({
    text: 'All',
    value: ['x', 'y'],
    allValue: '.*',
  });
});
