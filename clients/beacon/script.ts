// The beacon as a page's tag loads it; docs/beacon.md lists the attributes:
//
//   <script defer src="https://HOST/js/discreet.js" data-key="WRITE_KEY"></script>

import { start } from "./start.js";
import type { Discreet, EventOptions, Settings } from "./types.js";

declare global {
  interface Window {
    /** Before the beacon came, a page may have left its calls (`q`) and its hook (`before`) here. */
    discreet?: Partial<Discreet> & { q?: [string, EventOptions?][] };
  }
}

const tag = document.currentScript as HTMLScriptElement;
const settings: Settings & DOMStringMap = tag.dataset;
const stub = FULL ? window.discreet : undefined;
const discreet = start(settings, tag.src, stub?.before);
window.discreet = discreet;

if (FULL) {
  for (const call of stub?.q || []) discreet(...call);
  // The page says that what was asked for does not exist.
  if (settings[404] !== undefined) discreet("404");
  // From beside this script, under the nonce that it was let in by.
  if (settings.consent) import(`${tag.src}/../${settings.consent}.js`);
}
