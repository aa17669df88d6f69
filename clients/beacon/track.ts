// An event, from what happened to the queue.

import { silent } from "./consent.js";
import { page, referrer } from "./navigation.js";
import { add } from "./outbox.js";
import { now, random } from "./post.js";
import type { Discreet, EventOptions, Message } from "./types.js";

/** Tells an event; `pageview` is a page view. From here on the page may be left. */
export const track = ((name: string, { props, url }: EventOptions = {}): void => {
  if (silent()) return;
  const event: Message = {
    type: name === "pageview" ? "page" : "track",
    event: name,
    messageId: random(),
    timestamp: now(),
    properties: props || {},
    context: { page: { url: url || (page as string), referrer } },
  };
  const hooked = FULL ? track.before(event) : event;
  if (hooked) add(hooked);
}) as Discreet;
