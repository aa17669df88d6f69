// One way to the service.

import { settings } from "./settings.js";

/** When something happens. JSON writes it as the service reads it (RFC 3339, UTC). */
export const now = (): Date => new Date();

/** 122 random bits or more; crypto.randomUUID is missing on plain http. */
export const random = (): string =>
  crypto.randomUUID?.() || crypto.getRandomValues(new Uint32Array(4)).join("-");

/** The body of a request, as the service wants it. */
export const letter = (content: object): string =>
  JSON.stringify({
    ...content,
    sentAt: now(),
    writeKey: settings.key,
    domain: settings.domain,
  });

/** Posts once. A string is sent as plain text, which needs no preflight. */
export const post = (url: URL, body: string): Promise<Response> =>
  fetch(url, {
    method: "POST",
    body,
    credentials: "omit",
    keepalive: body.length < 6e4, // the Fetch standard lets 64 KiB outlive a page
  });

/** Whether what was posted last did not arrive. */
export let failing = false;

/** Posts until somebody answers; waits twice as long each time. */
export async function insist(url: URL, say: () => string, wait = 1e3): Promise<Response> {
  try {
    const answer = await post(url, say());
    // 429, too many at once, or 5xx; anything else that is refused would be refused again.
    failing = answer.status > 428;
    if (!failing) return answer;
  } catch {
    failing = true;
  }
  await new Promise((over) => setTimeout(over, wait));
  return insist(url, say, wait * 2);
}
