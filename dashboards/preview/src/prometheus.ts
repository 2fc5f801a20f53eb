/** Client of the Prometheus HTTP API, whose default CORS headers allow requests from the browser. */

import type { Labels } from '@grafana/data';
import type { Series } from './query';
import type { Question } from './variables';

interface Answer {
  status: 'success' | 'error';
  error?: string;
  errorType?: string;
  warnings?: string[];
  data: unknown;
}

export interface Range {
  from: number;
  to: number;
}

const seconds = (time: number) => String(time / 1000);

export class Prometheus {
  constructor(private readonly base: string) {}

  private async call(method: 'GET' | 'POST', path: string, parameters: Record<string, string>): Promise<unknown> {
    const body = new URLSearchParams(parameters);
    const url = `${this.base.replace(/\/$/, '')}/api/v1/${path}`;
    const response = await (method === 'POST' ? fetch(url, { method, body }) : fetch(`${url}?${body}`));
    const answer: Answer = await response.json().catch(() => {
      throw new Error(`${url} responded with status ${response.status} and no JSON`);
    });
    if (answer.status !== 'success') {
      throw new Error(`${answer.errorType}: ${answer.error}`);
    }
    return answer.data;
  }

  async range(query: string, start: number, end: number, step: number): Promise<Series[]> {
    const data = (await this.call('POST', 'query_range', {
      query,
      start: seconds(start),
      end: seconds(end),
      step: seconds(step),
    })) as { result: Series[] };
    return data.result;
  }

  async instant(query: string, time: number): Promise<Series[]> {
    const data = (await this.call('POST', 'query', { query, time: seconds(time) })) as {
      resultType: string;
      result: unknown;
    };
    switch (data.resultType) {
      case 'vector':
        return (data.result as Array<{ metric: Labels; value: [number, string] }>).map(({ metric, value }) => ({
          metric,
          values: [value],
        }));
      case 'matrix':
        return data.result as Series[];
      case 'scalar':
        return [{ metric: {}, values: [data.result as [number, string]] }];
      default:
        throw new Error(`a result of type ${data.resultType} is not supported`);
    }
  }

  /** Returns the results of a variable query as strings, to which the regex is applied. */
  async answer(question: Question, range: Range): Promise<string[]> {
    if (question.kind === 'label_values') {
      const values = await this.call('GET', `label/${encodeURIComponent(question.label)}/values`, {
        ...(question.selector ? { 'match[]': question.selector } : {}),
        start: seconds(range.from),
        end: seconds(range.to),
      });
      return values as string[];
    }
    const series = await this.instant(question.expr, range.to);
    return series.map(({ metric, values }) => {
      const { __name__ = '', ...labels } = metric;
      const written = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
      const [time, value] = values[0];
      return `${__name__}{${written.join(',')}} ${value} ${time * 1000}`;
    });
  }
}
