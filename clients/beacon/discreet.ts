// The beacon: tells Discreet that a page was viewed, and nothing else.
//
//   <script defer src="https://HOST/js/discreet.js" data-key="WRITE_KEY"></script>
//
// It stores nothing on the device and reads nothing but the page's address and the referrer.
// Where the browser sends Global Privacy Control it does nothing at all.

declare global {
  interface Navigator {
    readonly globalPrivacyControl?: boolean;
  }
  interface Document {
    readonly prerendering?: boolean;
  }
}

const script = document.currentScript;
const writeKey = script?.dataset.key;

if (writeKey && script instanceof HTMLScriptElement && !navigator.globalPrivacyControl) {
  const endpoint = new URL("/v1/batch", script.src).href;
  let last: string | undefined;

  // An address such as /app#/orders is a router's page, /app/orders; /help#prices is a place on a page.
  const address = (): string => {
    const route = /^#!?(\/.*)/.exec(location.hash)?.[1];
    return route
      ? location.origin + location.pathname.replace(/\/$/, "") + route
      : location.href.split("#", 1)[0] || "";
  };

  // crypto.randomUUID exists in secure contexts only, and a site may still be plain http.
  const messageId = (): string =>
    crypto.randomUUID?.() ??
    Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
      byte.toString(16).padStart(2, "0"),
    ).join("");

  const send = (url: string, referrer: string): void => {
    const now = new Date().toISOString();
    const body = JSON.stringify({
      batch: [
        {
          type: "page",
          messageId: messageId(),
          timestamp: now,
          properties: { url, path: new URL(url).pathname, referrer },
          context: { page: { url, referrer } },
        },
      ],
      sentAt: now,
      writeKey,
    });
    // A plain string goes as text/plain, which needs no preflight; it outlives the page.
    if (!navigator.sendBeacon?.(endpoint, body)) {
      fetch(endpoint, {
        method: "POST",
        body,
        keepalive: true,
        credentials: "omit",
        mode: "no-cors",
      }).catch(() => {});
    }
  };

  // The first page has the browser's referrer, those after it in one document the page before.
  // A changed query alone (a filter, a sort order) is no new page.
  const view = (): void => {
    const url = address();
    if (url.split("?", 1)[0] !== last?.split("?", 1)[0]) {
      send(url, last ?? document.referrer);
      last = url;
    }
  };

  for (const name of ["pushState", "replaceState"] as const) {
    const original = history[name];
    history[name] = function (this: History, ...state: Parameters<typeof original>) {
      original.apply(this, state);
      view();
    };
  }
  addEventListener("popstate", view);
  addEventListener("hashchange", view);
  // A page shown again out of the back/forward cache is seen again.
  addEventListener("pageshow", (event) => {
    if (event.persisted) {
      last = undefined;
      view();
    }
  });
  // A page prepared in the background is seen when it is shown.
  if (document.prerendering) {
    document.addEventListener("prerenderingchange", view, { once: true });
  } else {
    view();
  }
}

export {};
