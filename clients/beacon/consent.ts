// The person's choice: stated by the page, kept on the device, told to the service, obeyed here.

import { type Kept, keep, kept, recall } from "./kept.js";
import { add, clear } from "./outbox.js";
import { insist, letter, now, post, random } from "./post.js";
import { events, settings } from "./settings.js";
import type { Discreet, Receipt } from "./types.js";
import { watchVitals } from "./vitals.js";

// A grant is asked for again after twelve months, a refusal after six; an identifier lives thirteen
// months from its making, whatever is agreed to later. Milliseconds: 365, 183 and 395 days.
const GRANT = 31_536e6;
const REFUSAL = 15_811.2e6;
const IDENTIFIER = 34_128e6;

let looked = false;

/** Whether the person objects: in the browser's settings, or here. */
export const silent = (): unknown =>
  navigator.globalPrivacyControl || +(navigator.doNotTrack as string) || kept.objected;

/** Looks once for what was kept. */
export function look(): void {
  if (looked) return;
  looked = true;
  recall();
  if (!kept.born) return;
  if (FULL) {
    // Until the service has answered to a grant, it is told on every page.
    if (!kept.receipt) tell(kept);
    kept.waiting?.forEach(add);
    watchVitals();
  }
}

/** What was said in another tab: nothing that waits leaves after an objection or a withdrawal. */
export function lookAgain(): void {
  const before = kept;
  if (looked) recall();
  if (silent() || (before.id && !kept.id)) clear();
}

async function declare(said: object, known: Kept): Promise<Receipt> {
  const url = new URL("consent", events);
  const say = () => letter({ ...said, anonymousId: known.id, subjectToken: known.subjectToken });
  const answer = await (FULL ? insist(url, say) : post(url, say()));
  return answer.json();
}

/** Tells the choice, and keeps the proof of a grant. `known`: whose choice it is. */
async function tell(known: Kept): Promise<Receipt> {
  const { choice } = kept;
  const answer = await declare(
    { messageId: random(), method: "api", ...choice, decidedAt: choice?.updatedAt },
    known,
  );
  if (kept.id && kept.id === known.id) keep({ ...kept, ...answer });
  return answer;
}

export const consent: Discreet["consent"] = async (categoryPreferences, details) => {
  look();
  const before = kept;
  const { id = random(), born = Date.now(), subjectToken } = before;
  const said = JSON.stringify([categoryPreferences, details]);
  if (silent() || said === before.said) return undefined;
  const choice = { categoryPreferences, ...details, updatedAt: now() };
  if (categoryPreferences[settings.category || "analytics"] || categoryPreferences.audience) {
    const until = Math.min(Date.now() + GRANT, born + IDENTIFIER);
    keep({ said, choice, until, id, born, subjectToken });
    if (FULL) watchVitals();
    return tell({ id, subjectToken });
  }
  keep({ said, choice, until: Date.now() + REFUSAL });
  if (before.id) clear();
  return tell(before);
};

export function ignore(on = true): void {
  clear();
  keep({ objected: on });
}

export async function optOut(): Promise<Receipt | undefined> {
  look();
  const before = kept;
  ignore();
  // Without an identifier there is nobody whom the service could know again.
  return before.id ? declare({ objection: true, method: "opt-out" }, before) : undefined;
}
