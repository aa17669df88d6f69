// The overview's script: reads the chart to whoever points at it or walks along it by keyboard, puts
// another table into a card without leaving the page, and closes menus that were left. Without it
// the page says and does the same.

import "./sections.js";

interface Point {
  day: string;
  state: string;
  name: string;
  value: number | null;
  shown: string;
  before: string;
  other: string;
}

/** The points of the table behind the chart: raw values in data attributes, readable ones as text. */
function read(table: HTMLTableElement): Point[] {
  return Array.from(table.tBodies[0]?.rows ?? [], (row) => {
    const [head, now, before] = Array.from(row.cells);
    return {
      day: row.dataset.day ?? "",
      state: row.dataset.state ?? "",
      name: (head?.textContent ?? "").replace(/\s+/g, " ").trim(),
      value: now?.dataset.value ? Number(now.dataset.value) : null,
      shown: now?.textContent?.trim() ?? "",
      before: before?.dataset.value ? (before.textContent?.trim() ?? "") : "",
      other: before?.title ?? "",
    };
  });
}

/** Positions are set through the object model: the policy allows no style in markup. */
function tell(chart: HTMLElement, table: HTMLTableElement): void {
  const plot = chart.querySelector<HTMLElement>(".plot");
  const points = read(table);
  if (!plot || !points.length) return;
  const last = points.length - 1;
  const tip = document.createElement("div");
  const ruler = document.createElement("div");
  tip.className = "tip";
  ruler.className = "ruler";
  tip.hidden = true;
  ruler.hidden = true;
  plot.append(ruler, tip);

  const line = (tag: string, text: string): void => {
    const element = document.createElement(tag);
    element.textContent = text;
    tip.append(element);
  };
  const words = (point: Point): string =>
    `${point.name}: ${point.shown} ${table.dataset.metric ?? ""}${point.before ? `; ${point.other}: ${point.before}` : ""}`;

  let at = last;
  const show = (place: number): void => {
    at = Math.max(0, Math.min(last, place));
    const point = points[at];
    if (!point) return;
    tip.replaceChildren();
    line("span", point.name);
    line("strong", `${point.shown} ${table.dataset.metric ?? ""}`);
    if (point.before) line("small", `${point.before} · ${point.other}`);
    const x = last ? at / last : 0.5;
    ruler.style.left = `${100 * x}%`;
    tip.hidden = ruler.hidden = false;
    const room = plot.clientWidth - tip.offsetWidth;
    const beside = x * plot.clientWidth + 14;
    tip.style.left = `${Math.max(0, beside > room ? x * plot.clientWidth - tip.offsetWidth - 14 : beside)}px`;
    plot.setAttribute("aria-valuenow", String(at));
    plot.setAttribute("aria-valuetext", words(point));
  };
  const hide = (): void => {
    tip.hidden = ruler.hidden = true;
  };

  plot.tabIndex = 0;
  plot.setAttribute("role", "slider");
  plot.setAttribute("aria-orientation", "horizontal");
  plot.setAttribute("aria-valuemin", "0");
  plot.setAttribute("aria-valuemax", String(last));
  plot.setAttribute("aria-valuenow", String(at));
  const first = points[at];
  plot.setAttribute("aria-valuetext", first ? words(first) : "");
  const under = (event: PointerEvent): number => {
    const box = plot.getBoundingClientRect();
    return Math.round(((event.clientX - box.left) / box.width) * last);
  };
  plot.addEventListener("pointermove", (event) => show(under(event)));
  plot.addEventListener("pointerdown", (event) => show(under(event)));
  plot.addEventListener("pointerleave", () => {
    if (document.activeElement !== plot) hide();
  });
  plot.addEventListener("focus", () => {
    if (tip.hidden) show(at);
  });
  plot.addEventListener("blur", hide);
  const steps: Record<string, () => number> = {
    ArrowLeft: () => at - 1,
    ArrowDown: () => at - 1,
    ArrowRight: () => at + 1,
    ArrowUp: () => at + 1,
    PageDown: () => at - 7,
    PageUp: () => at + 7,
    Home: () => 0,
    End: () => last,
  };
  plot.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (step) {
      event.preventDefault();
      show(step());
    } else if (event.key === "Enter") {
      note(points[at]?.day ?? "");
    } else if (event.key === "Escape") {
      hide();
    }
  });
  plot.addEventListener("dblclick", () => note(points[at]?.day ?? ""));
}

/** Opens the form for a note on this day, where there is one. */
function note(day: string): void {
  const notes = document.querySelector<HTMLDetailsElement>("#notes");
  const field = notes?.querySelector<HTMLInputElement>("input[name=day]");
  if (!notes || !field) return;
  notes.open = true;
  field.value = day;
  notes.querySelector<HTMLInputElement>("input[name=text]")?.focus();
}

/** Puts the card that a tab leads to in the place of the one that is shown. */
async function turn(link: HTMLAnchorElement): Promise<void> {
  const id = link.dataset.tab ?? "";
  const card = document.getElementById(id);
  if (!card) return;
  card.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(link.href, { redirect: "error" });
    if (!response.ok) throw new Error(String(response.status));
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.getElementById(id);
    if (!fresh) throw new Error("not the page that was asked for");
    card.replaceWith(fresh);
    history.replaceState(null, "", link.href.replace(/#.*/, ""));
    // Every other link on the page leads on from what is shown now.
    for (const other of document.querySelectorAll<HTMLElement>(".cards > section")) {
      const one = other.id !== id && page.getElementById(other.id);
      if (one) other.replaceWith(one);
    }
    fresh.querySelector<HTMLElement>("a[data-tab][aria-current]")?.focus({ preventScroll: true });
  } catch {
    location.href = link.href;
  }
}

document.addEventListener("click", (event) => {
  const link = (event.target as Element).closest<HTMLAnchorElement>("a[data-tab]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  void turn(link);
});

const chart = document.querySelector<HTMLElement>("#chart");
const table = document.querySelector<HTMLTableElement>("#series");
if (chart && table) tell(chart, table);
