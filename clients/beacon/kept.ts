// What may lie on the device: the choice; after a grant also an identifier and what waits for a
// network; after an objection only that. One entry of localStorage, `discreet`, which no request carries and no
// other origin reads. It is looked at where the page asks for it, or measures without asking anybody.

import type { Categories, Details, Message } from "./types.js";

export interface Kept {
  /** The choice as events state it. */
  choice?: { categoryPreferences: Categories; updatedAt: Date | string } & Details;
  /** The same as the page stated it, to know it again. */
  said?: string;
  /** When all of this ends; Unix milliseconds. */
  until?: number;
  /** The identifier and when it was made: after a grant only. */
  id?: string;
  born?: number;
  /** What the service answered to a grant. */
  receipt?: string | undefined;
  subjectToken?: string | undefined;
  /** Events that wait for a network. */
  waiting?: Message[] | undefined;
  objected?: boolean;
}

export let kept: Kept = {};

/** Reads what is kept; what is past its time goes. */
export function recall(): void {
  try {
    kept = JSON.parse(localStorage.discreet || "{}");
    if ((kept.until as number) < Date.now()) keep({});
  } catch {
    // Storage is blocked: what was said holds as long as the page.
  }
}

/** Keeps this instead of what was there. */
export function keep(next: Kept): void {
  kept = next;
  try {
    localStorage.discreet = JSON.stringify(next);
  } catch {
    // An identifier that ends with the page would make every page somebody else's.
    delete kept.id;
  }
}
