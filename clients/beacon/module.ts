// The beacon as an ES module, for sites that bundle their scripts: the package `discreet-beacon`.

import { start } from "./start.js";
import type { Discreet, Settings } from "./types.js";

export type * from "./types.js";

/** Starts the beacon of this page. Call it once, in a browser; `api` is needed. */
export function init(settings: Settings & { api: string }): Discreet {
  return start(settings, settings.api);
}
