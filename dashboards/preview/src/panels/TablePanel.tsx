import { TableNG } from '@grafana/ui/unstable';
import type { PanelProps } from './types';

export function TablePanel({ frames, options, fieldConfig, width, height, timeRange }: PanelProps) {
  const filled = frames.filter((frame) => frame.fields.length > 0);
  if (filled.length > 1) {
    // Grafana shows one of them and a selector.
    throw new Error(`${filled.length} results: a table shows only one; merge or join them`);
  }
  return (
    <TableNG
      data={filled[0]}
      width={width}
      height={height}
      noHeader={!options.showHeader}
      showTypeIcons={options.showTypeIcons}
      sortBy={options.sortBy}
      sortByBehavior="managed"
      cellHeight={options.cellHeight}
      enablePagination={options.enablePagination}
      frozenColumns={options.frozenColumns?.left}
      fieldConfig={fieldConfig}
      noValue={fieldConfig.defaults.noValue}
      timeRange={timeRange}
      structureRev={1}
      // Render every cell, so that tests find its text in the page.
      enableVirtualization={false}
    />
  );
}
