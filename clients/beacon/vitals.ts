// How quick the page was, as web.dev rates it: good, needs-improvement or poor, never in figures.
// A device's speed is information about the device (ePrivacy directive, art. 5(3)), so nothing is
// observed before a grant; what happened until then is read from the browser's buffer.

import { track } from "./track.js";

interface Entry extends PerformanceNavigationTiming {
  value: number;
  hadRecentInput: boolean;
  interactionId: number;
}

const WORDS = ["good", "needs-improvement", "poor"];

/** By name. Not set: nothing is observed. Null: they were told. */
let found: Record<string, string | undefined> | null | undefined;

// Limits as https://web.dev/articles/vitals has them; of several values the worst counts.
function rate(name: string, value: number, good: number, poor: number): void {
  const index = +(value > good) + +(value > poor);
  if (found) found[name] = WORDS[Math.max(index, WORDS.indexOf(found[name] as string))];
}

function observe(type: string, see: (entry: Entry) => void): void {
  // A browser passes over a type that it doesn't know.
  new PerformanceObserver((list) => {
    (list.getEntries() as Entry[]).forEach(see);
  }).observe({ type, buffered: true });
}

/** Observes from the first call on. */
export function watchVitals(): void {
  if (found !== undefined) return;
  found = {};
  observe("navigation", ({ responseStart, loadEventEnd }) => {
    rate("ttfb", responseStart, 800, 1800);
    rate("load", loadEventEnd, 2500, 4000);
  });
  observe("largest-contentful-paint", ({ startTime }) => rate("lcp", startTime, 2500, 4000));
  // The slowest interaction, which is what INP is on pages with fewer than fifty.
  observe("event", ({ interactionId, duration }) => {
    if (interactionId) rate("inp", duration, 200, 500);
  });
  // A burst of shifts, each within a second of the one before.
  let burst = 0;
  let last = 0;
  observe("layout-shift", ({ startTime, value, hadRecentInput }) => {
    if (hadRecentInput) return;
    burst = startTime > last + 1e3 ? value : burst + value;
    last = startTime;
    rate("cls", burst, 0.1, 0.25);
  });
}

/** Tells the ratings, once. */
export function tellVitals(): void {
  if (found) track("Web Vitals", { props: found });
  found &&= null;
}
