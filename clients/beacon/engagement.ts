// How long a page was looked at (visible and focused) and how far down, told when it is left.

import { kept } from "./kept.js";
import { on, settings } from "./settings.js";
import { track } from "./track.js";

let since = 0;
let spent = 0; // milliseconds
let bottom = 0; // pixels

/** What a site may measure without consent it may not measure of those who refused. */
export const allowed = (): unknown => (kept.choice ? kept.born : settings.policy === "exempt");

function look(): void {
  const time = Date.now();
  if (since) spent += time - since;
  since = !document.hidden && document.hasFocus() ? time : 0;
}

function scroll(): void {
  if (allowed()) bottom = Math.max(bottom, scrollY + innerHeight);
}

/** `done`: the page is left for another one of the same document. */
export function report(done?: boolean): void {
  look();
  scroll();
  if (allowed() && spent > 999) {
    const scrollDepth = Math.round((100 * bottom) / document.documentElement.scrollHeight);
    track("engagement", { props: { engagementTime: spent, scrollDepth } });
    spent = 0;
  }
  if (done) spent = bottom = 0;
}

export function watchEngagement(): void {
  on("focus blur visibilitychange", look);
  on("scroll", scroll);
  look();
}
