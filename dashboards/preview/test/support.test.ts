import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { refusals } from '../src/support';

const fixture = (name: string) => JSON.parse(readFileSync(`${import.meta.dirname}/../fixtures/${name}.json`, 'utf8'));

test('a dashboard with supported features has no problems', () => {
  expect(refusals(fixture('everything'))).toEqual([]);
});

test('an unsupported panel type is reported by name', () => {
  expect(refusals(fixture('refused-panel-type'))).toEqual([{ panel: 'Durations', problems: ['panel type heatmap'] }]);
});

test('every unsupported feature is reported by its key', () => {
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

test('a problem of the whole dashboard names no panel', () => {
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

test('panels in collapsed rows are checked', () => {
  const dashboard = fixture('everything');
  const closed = dashboard.panels.find((panel: { title: string }) => panel.title === 'Closed');
  closed.panels[0].type = 'piechart';
  expect(refusals(dashboard)).toEqual([{ panel: 'In the closed row', problems: ['panel type piechart'] }]);
});

test('a dashboard without panels is rejected', () => {
  expect(refusals({ title: 'v2', elements: {} } as never)).toEqual([{ problems: ['no panels: not the classic dashboard model'] }]);
});
