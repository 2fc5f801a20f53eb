import type { TimeRange } from '@grafana/data';
import { Icon, useTheme2 } from '@grafana/ui';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { Controls, type Listed } from './Controls';
import { type Outcome, Panel } from './Panel';
import type { DashboardJson, PanelJson } from './dashboard';
import type { Prometheus } from './prometheus';
import { height, place, rect } from './layout';
import { Scope } from './scope';
import { type Refusal, panelName, panelProblems } from './support';
import type { Variable } from './variables';

export interface Loaded {
  dashboard: DashboardJson;
  refused: Refusal[];
  variables: Variable[];
  others: Listed[];
  prometheus: Prometheus;
  timeRange: TimeRange;
  timeZone: string;
  scrapeInterval: number;
  /** Expands collapsed rows. */
  rowsOpen: boolean;
}

/** The report that `screenshot` reads from the page. */
export interface Report {
  state: 'loading' | 'done';
  panels: Array<{ panel: string; outcome: Outcome }>;
  refused: Refusal[];
}

const PADDING = 16;

export function App({ loaded, publish }: { loaded: Loaded; publish: (report: Report) => void }) {
  const { dashboard, refused, variables, others, prometheus, timeRange, timeZone, scrapeInterval, rowsOpen } = loaded;
  const theme = useTheme2();
  const width = useWidth() - 2 * PADDING;
  const [toggled, setToggled] = useState<PanelJson[]>([]);
  const isOpen = (row: PanelJson) => (!row.collapsed || rowsOpen) !== toggled.includes(row);
  const placed = place(dashboard.panels ?? [], isOpen);

  const context = useMemo(
    () => ({
      prometheus,
      scope: new Scope(variables, timeRange, dashboard.title),
      timeRange,
      timeZone,
      theme,
      scrapeInterval,
    }),
    [prometheus, variables, timeRange, dashboard, timeZone, theme, scrapeInterval]
  );

  const drawn = placed.filter(({ panel }) => panel.type !== 'row').map(({ panel }) => panel);
  const [outcomes, setOutcomes] = useState(new Map<PanelJson, Outcome>());
  const report = useCallback(
    (panel: PanelJson, outcome: Outcome) => setOutcomes((known) => new Map(known).set(panel, outcome)),
    []
  );
  const done = drawn.every((panel) => outcomes.has(panel));
  useEffect(() => {
    publish({
      state: done ? 'done' : 'loading',
      panels: drawn.flatMap((panel) => {
        const outcome = outcomes.get(panel);
        return outcome ? [{ panel: panelName(panel), outcome }] : [];
      }),
      refused,
    });
  });

  return (
    <div style={{ padding: PADDING, background: theme.colors.background.canvas, minHeight: '100vh' }}>
      <h1 className="preview-title">{dashboard.title}</h1>
      {refused.length > 0 && <RefusedDashboard refused={refused} />}
      <Controls
        variables={variables}
        links={dashboard.links ?? []}
        scope={context.scope}
        others={others}
        timeRange={timeRange}
        refresh={dashboard.refresh}
        change={changeAddress}
      />
      <div style={{ position: 'relative', width, height: height(placed) }}>
        {placed.map(({ panel, pos, hidden }) =>
          panel.type === 'row' ? (
            <Row
              key={`row-${panel.id}-${panel.title}`}
              title={context.scope.text(panel.title ?? '')}
              open={isOpen(panel)}
              hidden={hidden}
              top={rect(pos, width).top}
              toggle={() => setToggled((rows) => (rows.includes(panel) ? rows.filter((row) => row !== panel) : [...rows, panel]))}
            />
          ) : (
            <PanelAt
              key={`panel-${panel.id}-${panel.title}`}
              panel={panel}
              rect={rect(pos, width)}
              context={context}
              report={report}
            />
          )
        )}
      </div>
    </div>
  );
}

function PanelAt({
  panel,
  report,
  ...rest
}: Omit<Parameters<typeof Panel>[0], 'report' | 'problems'> & { report: (panel: PanelJson, outcome: Outcome) => void }) {
  const problems = useMemo(() => panelProblems(panel), [panel]);
  const one = useCallback((outcome: Outcome) => report(panel, outcome), [panel, report]);
  return <Panel panel={panel} problems={problems} report={one} {...rest} />;
}

function Row({ title, open, hidden, top, toggle }: { title: string; open: boolean; hidden: number; top: number; toggle: () => void }) {
  return (
    <button type="button" className="preview-row" style={{ top }} aria-expanded={open} onClick={toggle} data-row={title}>
      <Icon name={open ? 'angle-down' : 'angle-right'} />
      <span>{title}</span>
      {!open && <span className="preview-count">({hidden === 1 ? '1 panel' : `${hidden} panels`})</span>}
    </button>
  );
}

function RefusedDashboard({ refused }: { refused: Refusal[] }) {
  return (
    <div role="alert" style={{ background: '#c4162a', color: 'white', padding: 16, marginBottom: 16, fontSize: 16 }}>
      <strong>The preview cannot draw all of this dashboard:</strong>
      {refused.flatMap(({ panel, problems }) =>
        problems.map((problem) => <div key={`${panel}${problem}`}>{panel ? `panel "${panel}": ${problem}` : problem}</div>)
      )}
    </div>
  );
}

function useWidth(): number {
  const measure = () => document.documentElement.clientWidth;
  const [width, setWidth] = useState(measure);
  useEffect(() => {
    const update = () => setWidth(measure());
    window.addEventListener('resize', update);
    return () => window.removeEventListener('resize', update);
  }, []);
  return width;
}

function changeAddress(parameter: string, values: string[]) {
  const url = new URL(window.location.href);
  url.searchParams.delete(parameter);
  for (const value of values) {
    url.searchParams.append(parameter, value);
  }
  window.location.assign(url);
}
