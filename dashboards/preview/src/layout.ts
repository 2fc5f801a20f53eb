/** Layout of panels: Grafana's grid of 24 columns, rows, and the removal of vertical gaps. */

import type { GridPos, PanelJson } from './dashboard';

export const COLUMNS = 24;
/** Height of a grid unit and the gap between units, in pixels. */
export const CELL_HEIGHT = 30;
export const GAP = 8;

export interface Placed {
  panel: PanelJson;
  pos: GridPos;
  /** For rows: the number of hidden panels. */
  hidden: number;
}

export interface Rect {
  left: number;
  top: number;
  width: number;
  height: number;
}

const bottom = (pos: GridPos) => pos.y + pos.h;

const overlap = (a: GridPos, b: GridPos) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < bottom(b) && b.y < bottom(a);

/**
 * Returns the visible panels from top to bottom. `isOpen` returns whether the panels of a row are shown. Expanding a row
 * moves the panels below it down, as a click does in Grafana.
 */
export function place(panels: PanelJson[], isOpen: (row: PanelJson) => boolean): Placed[] {
  const visible: Placed[] = [];
  let pushed = 0;
  let inClosedRow: Placed | undefined;
  for (const panel of [...panels].sort((a, b) => a.gridPos.y - b.gridPos.y || a.gridPos.x - b.gridPos.x)) {
    const pos = { ...panel.gridPos, y: panel.gridPos.y + pushed };
    if (panel.type !== 'row') {
      if (inClosedRow) {
        inClosedRow.hidden += 1;
      } else {
        visible.push({ panel, pos, hidden: 0 });
      }
      continue;
    }
    const inside = panel.panels ?? [];
    const row: Placed = { panel, pos: { ...pos, x: 0, w: COLUMNS, h: 1 }, hidden: 0 };
    visible.push(row);
    inClosedRow = isOpen(panel) ? undefined : row;
    if (!isOpen(panel)) {
      row.hidden = inside.length;
    } else if (inside.length > 0) {
      const first = Math.min(...inside.map((child) => child.gridPos.y));
      const shift = pos.y + 1 - first;
      for (const child of inside) {
        visible.push({ panel: child, pos: { ...child.gridPos, y: child.gridPos.y + shift }, hidden: 0 });
      }
      pushed += Math.max(...inside.map((child) => bottom(child.gridPos))) - first;
    }
  }
  return compact(visible);
}

/** Moves every panel up as far as possible, and down where it overlaps another. */
function compact(placed: Placed[]): Placed[] {
  const done: Placed[] = [];
  for (const item of [...placed].sort((a, b) => a.pos.y - b.pos.y || a.pos.x - b.pos.x)) {
    const pos = { ...item.pos };
    const hit = () => done.find((other) => overlap(other.pos, pos));
    while (pos.y > 0 && !hit()) {
      pos.y -= 1;
    }
    for (let other = hit(); other; other = hit()) {
      pos.y = bottom(other.pos);
    }
    done.push({ ...item, pos });
  }
  return done;
}

export function rect(pos: GridPos, width: number): Rect {
  const column = (width - GAP * (COLUMNS - 1)) / COLUMNS;
  return {
    left: Math.round(pos.x * (column + GAP)),
    top: pos.y * (CELL_HEIGHT + GAP),
    width: Math.round(pos.w * column + (pos.w - 1) * GAP),
    height: pos.h * CELL_HEIGHT + (pos.h - 1) * GAP,
  };
}

export function height(placed: Placed[]): number {
  const rows = Math.max(0, ...placed.map((item) => bottom(item.pos)));
  return rows * (CELL_HEIGHT + GAP);
}
