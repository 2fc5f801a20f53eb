import { renderTextPanelMarkdown } from '@grafana/data';
import type { PanelProps } from './types';

export function TextPanel({ options, replaceVariables }: PanelProps) {
  const html = renderTextPanelMarkdown(replaceVariables(options.content));
  return <div className="markdown-html" style={{ height: '100%', overflow: 'auto' }} dangerouslySetInnerHTML={{ __html: html }} />;
}
