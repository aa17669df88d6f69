// The beacon: tells Discreet what happened on a page, as far as the person's choice lets it.
//
// Before a grant it stores nothing and reads nothing of the device: only the page's own address, its
// referrer, and the browser's objection (Global Privacy Control, Do Not Track), which silences it. Under
// an exemption also whether an objection was left here (see docs/beacon.md).

import { consent, ignore, look, lookAgain, optOut, silent } from "./consent.js";
import { allowed, report, watchEngagement } from "./engagement.js";
import { watchInteractions } from "./interactions.js";
import { keep, kept } from "./kept.js";
import { watchNavigation } from "./navigation.js";
import { flush, queue } from "./outbox.js";
import { failing } from "./post.js";
import { configure, on, settings } from "./settings.js";
import { track } from "./track.js";
import type { Discreet, Message, Settings } from "./types.js";
import { tellVitals } from "./vitals.js";

/** What is to be done when the page may be gone in the next moment. */
function leave(): void {
  report();
  let waiting: Message[] | undefined;
  if (FULL && kept.id) {
    tellVitals();
    // What can't be sent now waits on the device too, but of those alone who agreed to that.
    if (failing || !navigator.onLine) waiting = queue;
    keep({ ...kept, waiting });
  }
  if (!waiting) flush();
}

/** Starts the beacon of this page. `base`: the address of something beside `v1/`. */
export function start(
  given: Settings,
  base: string,
  before: Discreet["before"] = (event) => event,
): Discreet {
  configure(given, base);
  Object.assign(track, FULL ? { before, consent, ignore, optOut } : { consent, ignore });
  // Who measures without asking must find an objection again; who asks says so on the tag.
  if ((settings.consent !== undefined || allowed()) && !silent()) look();
  if (FULL) on("storage", lookAgain);
  on("visibilitychange", () => document.hidden && leave());
  watchEngagement();
  if (FULL) watchInteractions();
  watchNavigation();
  return track;
}
