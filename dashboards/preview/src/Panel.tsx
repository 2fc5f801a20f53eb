/** Queries and draws a panel, and reports the outcome. */

import { FieldType, renderMarkdown } from '@grafana/data';
import { Icon, PanelChrome, Tooltip, useTheme2 } from '@grafana/ui';
import { Component, type ReactNode, useEffect, useState } from 'react';
import type { PanelJson } from './dashboard';
import { type Context, type Drawable, load } from './data';
import type { Rect } from './layout';
import { BarGaugePanel } from './panels/BarGaugePanel';
import { StatPanel } from './panels/StatPanel';
import { StateTimelinePanel } from './panels/StateTimelinePanel';
import { TablePanel } from './panels/TablePanel';
import { TextPanel } from './panels/TextPanel';
import { TimeSeriesPanel, graphable } from './panels/TimeSeriesPanel';
import type { PanelProps } from './panels/types';
import { panelName } from './support';

/** Outcome of a panel. `empty` is Grafana's "No data". */
export type Outcome = { kind: 'drawn' } | { kind: 'empty' } | { kind: 'refused' | 'failed'; message: string };

const COMPONENTS: Record<string, (props: PanelProps) => ReactNode> = {
  timeseries: TimeSeriesPanel,
  stat: StatPanel,
  'state-timeline': StateTimelinePanel,
  bargauge: BarGaugePanel,
  table: TablePanel,
  text: TextPanel,
};

/** Grafana draws these without padding. */
const WITHOUT_PADDING = new Set(['stat']);

interface Props {
  panel: PanelJson;
  rect: Rect;
  context: Context;
  problems: string[];
  report: (outcome: Outcome) => void;
}

export function Panel({ panel, rect, context, problems, report }: Props) {
  const { scope } = context;
  return (
    <div style={{ position: 'absolute', ...rect }} data-panel={panelName(panel)}>
      <PanelChrome
        width={rect.width}
        height={rect.height}
        title={panel.title ? scope.text(panel.title) : undefined}
        hoverHeader={!panel.title}
        description={panel.description ? renderMarkdown(scope.description(panel.description)) : undefined}
        titleItems={panel.links?.length ? <PanelLinks panel={panel} context={context} /> : undefined}
        displayMode={panel.transparent ? 'transparent' : 'default'}
        padding={WITHOUT_PADDING.has(panel.type) ? 'none' : 'md'}
      >
        {(width, height) =>
          problems.length > 0 ? (
            <Refused title="Not supported" lines={problems} outcome="refused" report={report} />
          ) : (
            <Boundary report={report}>
              <Content panel={panel} width={width} height={height} context={context} report={report} />
            </Boundary>
          )
        }
      </PanelChrome>
    </div>
  );
}

function PanelLinks({ panel, context }: { panel: PanelJson; context: Context }) {
  return (
    <>
      {panel.links?.map((link) => (
        <Tooltip key={link.title} content={link.title}>
          <a href={context.scope.replace(link.url ?? '')} style={{ padding: 4 }}>
            <Icon name="external-link-alt" />
          </a>
        </Tooltip>
      ))}
    </>
  );
}

function Content({ panel, width, height, context, report }: Omit<Props, 'rect' | 'problems'> & { width: number; height: number }) {
  const theme = useTheme2();
  const [drawable, setDrawable] = useState<Drawable>();
  const [failure, setFailure] = useState<Error>();
  useEffect(() => {
    let current = true;
    setFailure(undefined);
    load(panel, width, context).then(
      (loaded) => current && setDrawable(loaded),
      (error) => current && setFailure(error)
    );
    return () => {
      current = false;
    };
  }, [panel, width, context]);
  const text = drawable && emptyText(panel, drawable);
  useEffect(() => {
    if (drawable && !failure) {
      report(text === NO_DATA ? { kind: 'empty' } : { kind: 'drawn' });
    }
  }, [drawable, failure, text, report]);
  if (failure) {
    throw failure;
  }
  if (!drawable) {
    return null;
  }
  if (text !== undefined && !saysItself(panel, drawable)) {
    return (
      <div style={{ display: 'flex', height: '100%', alignItems: 'center', justifyContent: 'center', color: theme.colors.text.secondary }}>
        {text}
      </div>
    );
  }
  const Drawn = COMPONENTS[panel.type];
  return (
    <Drawn
      {...drawable}
      width={width}
      height={height}
      timeRange={context.timeRange}
      timeZone={context.timeZone}
      theme={theme}
      replaceVariables={(value) => (panel.type === 'text' ? context.scope.markdown(value) : context.scope.text(value))}
    />
  );
}

const NO_DATA = 'No data';

/** Stats and bars show this text as their value, and an empty table shows it below its header. */
const saysItself = (panel: PanelJson, { frames }: Drawable) =>
  panel.type === 'stat' ||
  panel.type === 'bargauge' ||
  (panel.type === 'table' && frames.some((frame) => frame.fields.length > 0));

/** Returns the text of a panel without data, or undefined if there is data. */
function emptyText(panel: PanelJson, { frames, fieldConfig }: Drawable): string | undefined {
  const some =
    panel.type === 'text' ||
    (panel.type === 'timeseries' || panel.type === 'state-timeline'
      ? graphable(frames).length > 0
      : panel.type === 'table'
        ? frames.some((frame) => frame.length > 0)
        : frames.some((frame) => frame.fields.some((field) => field.type !== FieldType.time && field.values.length > 0)));
  return some ? undefined : fieldConfig.defaults.noValue || NO_DATA;
}

function Refused({ title, lines, outcome, report }: { title: string; lines: string[]; outcome: 'refused' | 'failed'; report: Props['report'] }) {
  const message = lines.join('; ');
  useEffect(() => report({ kind: outcome, message }), [outcome, message, report]);
  return (
    <div role="alert" style={{ height: '100%', overflow: 'auto', padding: 12, background: '#c4162a', color: 'white' }}>
      <strong style={{ fontSize: 18 }}>{title}</strong>
      {lines.map((line) => (
        <div key={line}>{line}</div>
      ))}
    </div>
  );
}

class Boundary extends Component<{ report: Props['report']; children: ReactNode }, { error?: Error }> {
  state: { error?: Error } = {};

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  render() {
    const { error } = this.state;
    return error ? (
      <Refused title="Failed" lines={[error.message]} outcome="failed" report={this.props.report} />
    ) : (
      this.props.children
    );
  }
}
