// How the page set the beacon up. There is one beacon to a page, so its parts keep their state in
// modules. FULL is set by the build; the core does without what depends on it.

import type { Settings } from "./types.js";

declare global {
  const FULL: boolean;
}

export let settings: Settings = {};
/** Where events are posted. Choices go beside it. */
export let events: URL;

/** `base`: what `api` is relative to; without one, the address of something beside `v1/`. */
export function configure(given: Settings, base: string): void {
  settings = given;
  // A tag that was written for Plausible says /api/event.
  events = new URL(given.api?.replace("api/event", "v1/batch") || "../v1/batch", base);
}

/** Listens for several events at once, before anything on the page does. */
export function on<T extends Event>(names: string, hear: (event: T) => void): void {
  for (const name of names.split(" ")) addEventListener(name, hear as EventListener, true);
}
