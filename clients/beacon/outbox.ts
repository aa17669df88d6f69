// Events on their way: gathered into batches, and sent again until somebody answered. They lie in
// memory; message ids make it harmless to send one twice.

import { kept } from "./kept.js";
import { insist, letter, post } from "./post.js";
import { events } from "./settings.js";
import type { Message } from "./types.js";

const GATHER = 300; // milliseconds that an event waits for others
const BATCH = 20; // events

/** What has not arrived. */
export let queue: Message[] = [];
let busy = false;

export function add(event: Message): void {
  queue.push(event);
  later();
}

export function clear(): void {
  queue = [];
}

function later(): void {
  if (!FULL || !busy) setTimeout(FULL ? send : flush, GATHER);
  busy = true;
}

// The choice that holds when an event leaves the device is the one that it states.
const written = (batch: Message[]): string =>
  letter({
    batch: batch.map((event) => ({
      ...event,
      anonymousId: kept.id,
      context: { ...event.context, consent: kept.choice },
    })),
  });

async function send(): Promise<void> {
  let batch: Message[] = [];
  const say = () => {
    batch = queue.slice(0, BATCH);
    return written(batch);
  };
  if (queue[0]) await insist(events, say);
  queue = queue.filter((event) => !batch.includes(event));
  busy = false;
  if (queue[0]) later();
}

/** Sends everything by a way that outlives the page. */
export function flush(): void {
  while (queue[0]) {
    const body = written(queue.splice(0, BATCH));
    if (!navigator.sendBeacon(events, body)) post(events, body).catch(() => {});
  }
}
