/** Computes the periods and the time axis of a state timeline. */

/** A value over a period, in milliseconds. */
export interface Period {
  from: number;
  to: number;
  value: number;
}

/** Joins adjacent samples with the same value. A gap of more than a step and a half ends a period. */
export function periods(times: number[], values: Array<number | null>, step: number | undefined, until: number): Period[] {
  const found: Period[] = [];
  for (const [index, value] of values.entries()) {
    if (value === null) {
      continue;
    }
    const from = times[index];
    const next = times[index + 1] ?? until;
    const to = step && next - from > 1.5 * step ? from + step : next;
    const last = found.at(-1);
    if (last && last.value === value && last.to === from) {
      last.to = to;
    } else {
      found.push({ from, to, value });
    }
  }
  return found;
}

const MINUTE = 60_000;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440].map((minutes) => minutes * MINUTE);

/** Returns round times of the range, at least `space` pixels apart. */
export function ticks(from: number, to: number, width: number, space = 80): number[] {
  const step = STEPS.find((one) => (one / (to - from)) * width >= space) ?? to - from;
  const first = Math.ceil(from / step) * step;
  return Array.from({ length: Math.max(0, Math.floor((to - first) / step) + 1) }, (_, index) => first + index * step);
}
