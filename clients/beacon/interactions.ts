// Links that lead away, files that are fetched, forms that are sent: under the names that Plausible's
// tags gave them, so that goals keep counting. No query string and nothing that was typed is told.

import { on } from "./settings.js";
import { track } from "./track.js";

const FILES = /\.(pdf|docx?|xlsx?|pptx?|od[tsp]|csv|txt|zip|7z|gz|exe|dmg|mp[34])$/i;

function clicked({ target, button }: MouseEvent): void {
  const link = (target as Element).closest("a");
  // The middle button opens a tab; the right one a menu.
  if (!link?.host || button > 1) return;
  const { origin, pathname, host } = link;
  const file = FILES.test(pathname);
  if (file || host !== location.host) {
    track(file ? "File Download" : "Outbound Link: Click", { props: { url: origin + pathname } });
  }
}

function sent({ target }: Event): void {
  track("Form: Submission", { props: { form: (target as Element).id } });
}

export function watchInteractions(): void {
  on("click auxclick", clicked);
  on("submit", sent);
}
