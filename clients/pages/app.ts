// The pages' one script: draws the time chart from the table that stands behind it, and closes
// menus that were left. Without it the pages say the same.

import { LineChart } from "echarts/charts";
import { GridComponent, TooltipComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

use([LineChart, GridComponent, TooltipComponent, CanvasRenderer]);

interface Point {
  label: string;
  long: string;
  value: number | null;
  before: number | null;
  shown: string;
  shownBefore: string;
  open: boolean;
}

/** The points of the series' table: raw values in data attributes, readable ones as text. */
function read(table: HTMLTableElement): Point[] {
  const number = (cell: HTMLTableCellElement | undefined): number | null =>
    cell?.dataset.value ? Number(cell.dataset.value) : null;
  return Array.from(table.tBodies[0]?.rows ?? [], (row) => {
    const [head, now, before] = Array.from(row.cells);
    return {
      label: head?.dataset.short ?? "",
      long: head?.textContent?.trim() ?? "",
      value: number(now),
      before: number(before),
      shown: now?.textContent?.trim() ?? "",
      shownBefore: before?.textContent?.trim() ?? "",
      open: row.dataset.open !== undefined,
    };
  });
}

/** Built out of nodes, never out of markup: the content-security policy allows no inline style. */
function tip(point: Point, name: string): HTMLElement {
  const box = document.createElement("div");
  const line = (tag: string, text: string): void => {
    const element = document.createElement(tag);
    element.textContent = text;
    box.append(element);
  };
  line("span", point.long);
  line("strong", `${point.shown} ${name}`);
  if (point.before !== null) line("small", `${point.shownBefore} in the period before`);
  if (point.open) line("small", "still open");
  return box;
}

function compact(value: number): string {
  return new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(
    value,
  );
}

/** Seconds between two lines of a duration's axis: a step of the clock, not of ten. */
function step(points: Point[]): number {
  const top = Math.max(...points.map((point) => Math.max(point.value ?? 0, point.before ?? 0)));
  return [5, 15, 30, 60, 120, 300, 600, 1800].find((seconds) => seconds * 4 >= top) ?? 3600;
}

function draw(holder: HTMLElement, table: HTMLTableElement): void {
  const points = read(table);
  const name = table.dataset.metric ?? "";
  const kind = table.dataset.kind ?? "count";
  const axis = (value: number): string => {
    if (kind === "share") return `${Math.round(value * 100)}%`;
    if (kind === "duration") return value % 60 ? `${value}s` : `${value / 60}m`;
    return compact(value);
  };
  holder.replaceChildren();
  const chart = init(holder, null, { renderer: "canvas" });
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const dark = matchMedia("(prefers-color-scheme: dark)");

  const paint = (): void => {
    const style = getComputedStyle(holder);
    const token = (property: string): string => style.getPropertyValue(property).trim();
    // A point between two gaps is on no line: it gets a dot.
    const alone = (index: number): boolean =>
      points[index - 1]?.value == null && points[index + 1]?.value == null;
    const shut = points.map((point) => (point.open ? null : point.value));
    const dotted = (values: (number | null)[]) =>
      values.map((value, index) => ({
        value,
        symbol: alone(index) ? "circle" : "none",
      }));
    // What is still open is drawn as a dashed end of the line.
    const open = points.map((point, index) =>
      point.open || points[index + 1]?.open ? point.value : null,
    );
    chart.setOption({
      animation: !calm.matches,
      animationDuration: 250,
      textStyle: { fontFamily: style.fontFamily },
      grid: { left: 4, right: 12, top: 14, bottom: 4, outerBoundsMode: "same" },
      tooltip: {
        trigger: "axis",
        confine: true,
        className: "tip",
        padding: 0,
        borderWidth: 0,
        backgroundColor: "transparent",
        shadowBlur: 0,
        extraCssText: "box-shadow: none",
        axisPointer: { type: "line", lineStyle: { color: token("--line-strong"), type: "solid" } },
        formatter: (found: unknown) => {
          const index = (found as { dataIndex: number }[])[0]?.dataIndex ?? 0;
          const point = points[index];
          return point ? tip(point, name) : "";
        },
      },
      xAxis: {
        type: "category",
        boundaryGap: false,
        data: points.map((point) => point.label),
        axisLine: { lineStyle: { color: token("--line") } },
        axisTick: { show: false },
        axisLabel: { color: token("--muted"), fontSize: 12, hideOverlap: true, margin: 10 },
      },
      yAxis: {
        type: "value",
        splitNumber: 3,
        minInterval: kind === "count" ? 1 : 0,
        ...(kind === "duration" && { interval: step(points) }),
        splitLine: { lineStyle: { color: token("--line") } },
        axisLabel: { color: token("--muted"), fontSize: 12, formatter: axis },
      },
      series: [
        {
          type: "line",
          data: points.map((point) => point.before),
          showSymbol: false,
          silent: true,
          lineStyle: { color: token("--line-strong"), width: 1.5, type: [4, 4] },
          itemStyle: { color: token("--line-strong") },
          emphasis: { disabled: true },
        },
        {
          type: "line",
          data: dotted(shut),
          symbolSize: 6,
          silent: true,
          lineStyle: { color: token("--accent"), width: 2 },
          itemStyle: { color: token("--accent") },
          areaStyle: { color: token("--accent"), opacity: 0.09 },
          emphasis: { disabled: true },
        },
        {
          type: "line",
          data: dotted(open),
          symbolSize: 6,
          silent: true,
          lineStyle: { color: token("--accent"), width: 2, type: [3, 3] },
          itemStyle: { color: token("--accent") },
          areaStyle: { color: token("--accent"), opacity: 0.05 },
          emphasis: { disabled: true },
        },
      ],
    });
  };

  paint();
  dark.addEventListener("change", paint);
  new ResizeObserver(() => chart.resize()).observe(holder);
}

const holder = document.querySelector<HTMLElement>("#chart");
const table = document.querySelector<HTMLTableElement>("#series");
if (holder && table) draw(holder, table);

const menus = document.querySelectorAll<HTMLDetailsElement>("details.menu");
const close = (except: EventTarget | null): void => {
  for (const menu of menus) {
    if (!(except instanceof Node && menu.contains(except))) menu.open = false;
  }
};
document.addEventListener("click", (event) => close(event.target));
document.addEventListener("focusin", (event) => close(event.target));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of menus) {
    if (menu.open) {
      menu.open = false;
      menu.querySelector("summary")?.focus();
    }
  }
});
