import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { refusals } from '../src/support';

const fixture = (name: string) => JSON.parse(readFileSync(`${import.meta.dirname}/../fixtures/${name}.json`, 'utf8'));

test('a dashboard of known features is taken', () => {
  expect(refusals(fixture('everything'))).toEqual([]);
});

test('a panel type is refused by its name', () => {
  expect(refusals(fixture('refused-panel-type'))).toEqual([{ panel: 'Durations', problems: ['panel type heatmap'] }]);
});

test('features are refused by their keys, each of them', () => {
  expect(refusals(fixture('refused-feature'))).toEqual([
    { panel: 'Repeated', problems: ['repeat: job'] },
    {
      panel: 'Sparklines',
      problems: [
        'transformations[0].id: timeSeriesTable',
        'fieldConfig.defaults.custom.cellOptions.type: sparkline',
        'fieldConfig.overrides[0].matcher.id: byValue',
        'fieldConfig.overrides[0] custom.unheardOf',
      ],
    },
    {
      panel: 'Values',
      problems: ['targets[0].exemplar: true', 'timeFrom', 'fieldConfig.defaults.custom.showValues: true'],
    },
  ]);
});

test('what is refused of the dashboard as a whole names no panel', () => {
  expect(refusals(fixture('refused-dashboard'))).toEqual([
    {
      problems: [
        'annotations.list[0]: the annotation Restarts',
        'templating.list[0].type: adhoc',
        'the query of the variable odd: up',
      ],
    },
  ]);
});

test('panels in closed rows are looked at', () => {
  const dashboard = fixture('everything');
  const closed = dashboard.panels.find((panel: { title: string }) => panel.title === 'Closed');
  closed.panels[0].type = 'piechart';
  expect(refusals(dashboard)).toEqual([{ panel: 'In the closed row', problems: ['panel type piechart'] }]);
});

test('a dashboard without panels is of another model', () => {
  expect(refusals({ title: 'v2', elements: {} } as never)).toEqual([{ problems: ['no panels: not the classic dashboard model'] }]);
});
