/** The bar above the panels: variables, links, time range. */

import { type TimeRange, rangeUtil } from '@grafana/data';
import { Icon, InlineFormLabel, Input, MultiSelect, Select, ToolbarButton } from '@grafana/ui';
import type { LinkJson } from './dashboard';
import { ALL } from './interpolate';
import type { Scope } from './scope';
import type { Variable } from './variables';

/** Another dashboard of the directory, for links by tag. */
export interface Listed {
  name: string;
  title: string;
  uid?: string;
  tags: string[];
}

interface Props {
  variables: Variable[];
  links: LinkJson[];
  scope: Scope;
  others: Listed[];
  timeRange: TimeRange;
  refresh?: string | boolean;
  /** Selects values of a variable by changing the URL. */
  change: (parameter: string, values: string[]) => void;
}

export function Controls({ variables, links, scope, others, timeRange, refresh, change }: Props) {
  return (
    <div style={{ display: 'flex', flexWrap: 'wrap', alignItems: 'flex-start', gap: 8, marginBottom: 16 }}>
      {variables
        .filter((variable) => variable.hide !== 2 && variable.type !== 'constant')
        .map((variable) => (
          <div key={variable.name} style={{ display: 'flex' }} data-variable={variable.name}>
            {variable.hide !== 1 && (
              <InlineFormLabel width="auto" className="preview-label">
                {variable.label || variable.name}
              </InlineFormLabel>
            )}
            <Values variable={variable} change={(values) => change(`var-${variable.name}`, values)} />
          </div>
        ))}
      <div style={{ flexGrow: 1 }} />
      {links.flatMap((link) => buttons(link, scope, others))}
      <div style={{ display: 'flex' }}>
        <ToolbarButton variant="canvas" icon="clock-nine">
          {rangeUtil.describeTimeRange(timeRange.raw)}
        </ToolbarButton>
      </div>
      <ToolbarButton variant="canvas" icon="sync" onClick={() => window.location.reload()}>
        {typeof refresh === 'string' && refresh !== '' ? refresh : 'Refresh'}
      </ToolbarButton>
    </div>
  );
}

function Values({ variable, change }: { variable: Variable; change: (values: string[]) => void }) {
  if (variable.type === 'textbox') {
    return (
      <Input width={20} defaultValue={String(variable.value)} onBlur={(event) => change([event.currentTarget.value])} />
    );
  }
  const all = variable.includeAll ? [{ label: 'All', value: ALL }] : [];
  const options = [...all, ...variable.options.map(({ text, value }) => ({ label: text, value }))];
  const isAll = variable.includeAll && variable.text === 'All';
  const selected = isAll ? [ALL] : [variable.value].flat();
  return variable.multi ? (
    <MultiSelect
      width="auto"
      isClearable={false}
      options={options}
      value={selected}
      onChange={(chosen) => {
        const values = chosen.flatMap(({ value }) => value ?? []);
        change(values.length > 1 && isAll ? values.filter((value) => value !== ALL) : values);
      }}
    />
  ) : (
    <Select width="auto" options={options} value={selected[0]} onChange={({ value }) => change([value ?? ''])} />
  );
}

function buttons(link: LinkJson, scope: Scope, others: Listed[]) {
  const carried = [
    link.keepTime ? scope.replace('${__url_time_range}') : '',
    link.includeVars ? scope.replace('${__all_variables}') : '',
  ].filter(Boolean);
  const button = (title: string, url: string, icon: 'apps' | 'external-link-alt') => (
    <a
      key={title}
      href={url}
      title={link.tooltip}
      target={link.targetBlank ? '_blank' : undefined}
      rel="noreferrer"
      className="preview-link"
    >
      <Icon name={icon} /> {title}
    </a>
  );
  if (link.type === 'dashboards') {
    return others
      .filter((other) => (link.tags ?? []).every((tag) => other.tags.includes(tag)))
      .map((other) => button(other.title, `/d/${other.uid ?? other.name}?${carried.join('&')}`, 'apps'));
  }
  const url = scope.replace(link.url ?? '');
  return [button(scope.text(link.title), carried.length > 0 ? `${url}${url.includes('?') ? '&' : '?'}${carried.join('&')}` : url, 'external-link-alt')];
}
