// Reads the person's choice from the commands of Google's consent mode, which consent platforms
// give to gtag() or push to dataLayer: data-consent="consent-mode".
// https://developers.google.com/tag-platform/security/guides/consent
//
// A `default` is what holds before anybody chose: it is no choice. Only `update` states one.

type Command = ArrayLike<unknown>;

const page = window as { dataLayer?: Command[] };
page.dataLayer ??= [];
const layer = page.dataLayer;

function hear(command: Command): void {
  const [name, kind, state] = Array.from(command || []);
  const stated = (state as Record<string, unknown> | undefined)?.analytics_storage;
  if (name !== "consent" || kind !== "update" || !stated) return;
  window.discreet?.consent?.({ analytics: stated === "granted" }, { method: "consent-mode" });
}

for (const command of layer) hear(command);
const push = layer.push;
layer.push = (...commands) => {
  const length = push.apply(layer, commands);
  commands.forEach(hear);
  return length;
};

export {};
