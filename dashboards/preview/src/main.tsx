import './preview.css';
import { createTheme, rangeUtil } from '@grafana/data';
import { GlobalStyles, PortalContainer, ThemeContext } from '@grafana/ui';
import { createRoot } from 'react-dom/client';
import { App, type Loaded, type Report } from './App';
import type { Listed } from './Controls';
import type { DashboardJson, VariableJson } from './dashboard';
import { initialize } from './grafana';
import { Prometheus } from './prometheus';
import { milliseconds } from './query';
import { Scope } from './scope';
import { refusals } from './support';
import { type Option, type Variable, listed, options, ordered, queryText, question, select } from './variables';

declare global {
  interface Window {
    __preview?: Report | { state: 'failed'; message: string };
    __grafana_public_path__?: string;
  }
}

/** URL parameters besides `var-NAME`. */
const PARAMETERS = ['dashboard', 'prometheus', 'from', 'to', 'scrape-interval', 'rows', 'theme', 'timezone'];

async function json<T>(path: string): Promise<T> {
  const response = await fetch(path);
  if (!response.ok) {
    throw new Error(await response.text());
  }
  return response.json();
}

async function start(): Promise<Loaded> {
  const asked = new URL(window.location.href).searchParams;
  for (const name of asked.keys()) {
    if (!PARAMETERS.includes(name) && !name.startsWith('var-')) {
      throw new Error(`unknown parameter \`${name}\`; expected ${PARAMETERS.join(', ')} or var-NAME`);
    }
  }
  const others = await json<Listed[]>('/dashboards/');
  const name = asked.get('dashboard');
  const address = asked.get('prometheus');
  if (!name || !address) {
    const known = others.map((other) => other.name).join(', ');
    throw new Error(`usage: \`?dashboard=NAME&prometheus=URL\`; available dashboards: ${known || 'none'}`);
  }
  const dashboard = await json<DashboardJson>(`/dashboards/${encodeURIComponent(name)}`);
  const timeZone = asked.get('timezone') || dashboard.timezone || 'browser';
  const timeRange = rangeUtil.convertRawToRange(
    { from: asked.get('from') ?? dashboard.time?.from ?? 'now-6h', to: asked.get('to') ?? dashboard.time?.to ?? 'now' },
    timeZone
  );
  if (!timeRange.from.isValid() || !timeRange.to.isValid() || !timeRange.from.isBefore(timeRange.to)) {
    throw new Error('`from` and `to` are not a time range');
  }
  const prometheus = new Prometheus(address);
  const refused = refusals(dashboard);
  const variables: Variable[] = [];
  // The variables of an unsupported dashboard may not resolve.
  if (!refused.some(({ panel }) => panel === undefined)) {
    for (const variable of ordered(dashboard.templating?.list ?? [])) {
      const scope = new Scope(variables, timeRange, dashboard.title);
      const list = await variableOptions(variable, scope, prometheus, timeRange.from.valueOf(), timeRange.to.valueOf());
      variables.push({
        ...select(variable, list, asked.getAll(`var-${variable.name}`)),
        label: variable.label ?? '',
        hide: variable.hide ?? 0,
        type: variable.type,
        options: list,
      });
    }
  }
  const order = (dashboard.templating?.list ?? []).map((variable) => variable.name);
  variables.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  return {
    dashboard,
    refused,
    variables,
    others,
    prometheus,
    timeRange,
    timeZone,
    scrapeInterval: milliseconds(asked.get('scrape-interval') ?? '15s'),
    rowsOpen: asked.get('rows') === 'open',
  };
}

async function variableOptions(
  variable: VariableJson,
  scope: Scope,
  prometheus: Prometheus,
  from: number,
  to: number
): Promise<Option[]> {
  switch (variable.type) {
    case 'datasource':
      return [{ text: 'Prometheus', value: 'prometheus' }];
    case 'custom':
    case 'interval':
      return listed(queryText(variable));
    case 'query': {
      const asked = question(scope.query(queryText(variable)));
      if (!asked) {
        throw new Error(`the query of variable ${variable.name} is not supported`);
      }
      const found = await prometheus.answer(asked, { from, to });
      return options(found, variable.regex && scope.query(variable.regex), variable.sort);
    }
    default:
      return [];
  }
}

window.addEventListener('error', ({ message }) => (window.__preview = { state: 'failed', message }));
window.__grafana_public_path__ = '/public/';
initialize();
const theme = createTheme({ colors: { mode: new URL(window.location.href).searchParams.get('theme') === 'light' ? 'light' : 'dark' } });
const root = createRoot(document.getElementById('root') as HTMLElement);

const inGrafana = (content: React.ReactNode) => (
  <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    {content}
    <PortalContainer />
  </ThemeContext.Provider>
);

// Canvases and measured texts are not updated when a font loads late.
const fonts = () =>
  Promise.all(['400 12px Inter', '500 12px Inter', '400 12px "Roboto Mono"'].map((font) => document.fonts.load(font)));

start().then(
  async (loaded) => {
    root.render(inGrafana(null));
    await new Promise(requestAnimationFrame);
    await fonts();
    document.title = loaded.dashboard.title;
    root.render(inGrafana(<App loaded={loaded} publish={(report) => (window.__preview = report)} />));
  },
  (error: Error) => {
    window.__preview = { state: 'failed', message: error.message };
    root.render(
      inGrafana(
        <div role="alert" style={{ background: '#c4162a', color: 'white', margin: 16, padding: 16, fontSize: 18 }}>
          {error.message}
        </div>
      )
    );
  }
);
