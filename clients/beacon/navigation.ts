// Which page is looked at: the document's address, and a router's within the document.

import { report } from "./engagement.js";
import { on, settings } from "./settings.js";
import { track } from "./track.js";

/** The page that was seen last, and where it was come to from. */
export let page: string | undefined;
export let referrer = document.referrer;

// An address such as /app#/orders is a router's page, /app/orders; /help#prices is a place on a page.
const address = (): string =>
  location.href.replace(/\/?(?:\?([^#]*))?#!?(\/[^?]*)\??(.*)/, "$2?$1&$3").replace(/#.*/, "");

// A page shown again out of the back/forward cache is seen again.
function view(event?: Event): void {
  const next = address();
  // A changed query alone (a filter, a sort order) is no new page; a page that is prepared in the
  // background is seen when it is shown.
  const again = (event as PageTransitionEvent)?.persisted;
  const same = next.split("?")[0] === page?.split("?")[0];
  if ((same && !again) || document.prerendering) return;
  if (page) {
    report(true);
    referrer = page;
  }
  page = next;
  if (settings.manual === undefined) track("pageview");
}

export function watchNavigation(): void {
  for (const name of ["pushState", "replaceState"] as const) {
    const original = history[name];
    history[name] = (...state) => {
      original.apply(history, state);
      view();
    };
  }
  on("popstate hashchange pageshow prerenderingchange", view);
  view();
}
