import { expect, test } from 'vitest';
import type { PanelJson } from '../src/dashboard';
import { height, place, rect } from '../src/layout';

const panel = (title: string, x: number, y: number, w: number, h: number, more: Partial<PanelJson> = {}): PanelJson => ({
  type: 'stat',
  title,
  gridPos: { x, y, w, h },
  ...more,
});
const row = (title: string, y: number, more: Partial<PanelJson> = {}) => panel(title, 0, y, 24, 1, { type: 'row', ...more });
const at = (panels: PanelJson[], isOpen: (row: PanelJson) => boolean = (item) => !item.collapsed) =>
  Object.fromEntries(place(panels, isOpen).map(({ panel, pos }) => [panel.title, [pos.x, pos.y]]));

test('24 columns fill the width, with gaps of 8 pixels', () => {
  expect(rect({ x: 0, y: 0, w: 24, h: 1 }, 1568)).toEqual({ left: 0, top: 0, width: 1568, height: 30 });
  const left = rect({ x: 0, y: 2, w: 12, h: 8 }, 1568);
  const right = rect({ x: 12, y: 2, w: 12, h: 8 }, 1568);
  expect(left).toEqual({ left: 0, top: 76, width: 780, height: 296 });
  expect(right.left - (left.left + left.width)).toBe(8);
});

test('gaps close upwards and panels stay beside each other', () => {
  expect(at([panel('a', 0, 0, 12, 4), panel('b', 12, 9, 12, 4), panel('c', 0, 20, 24, 4)])).toEqual({
    a: [0, 0],
    b: [12, 0],
    c: [0, 4],
  });
});

test('overlapping panels are moved apart', () => {
  expect(at([panel('a', 0, 0, 12, 4), panel('b', 6, 2, 12, 4)])).toEqual({ a: [0, 0], b: [6, 4] });
});

const inside = [panel('in', 0, 3, 12, 5)];
const dashboard = [panel('top', 0, 0, 24, 2), row('r', 2, { collapsed: true, panels: inside }), row('s', 3), panel('last', 0, 4, 24, 2)];

test('a collapsed row hides its panels and shows their number', () => {
  expect(at(dashboard)).toEqual({ top: [0, 0], r: [0, 2], s: [0, 3], last: [0, 4] });
  expect(place(dashboard, (item) => !item.collapsed).find(({ panel }) => panel.title === 'r')?.hidden).toBe(1);
});

test('expanding a row moves the panels below it down', () => {
  expect(at(dashboard, () => true)).toEqual({ top: [0, 0], r: [0, 2], in: [0, 3], s: [0, 8], last: [0, 9] });
});

test('collapsing a row hides the panels up to the next row', () => {
  expect(at(dashboard, (item) => item.title === 'r')).not.toHaveProperty('last');
});

test('the height includes the lowest panel', () => {
  expect(height(place(dashboard, () => false))).toBe(4 * 38);
});
