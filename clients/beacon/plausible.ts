// The beacon under the names of Plausible's script (docs/plausible.md): what its file name, its tag
// and the page's own calls ask for, a site keeps when it moves by changing one address.
//
//   <script defer data-domain="example.com" src="https://HOST/js/script.hash.outbound-links.js"></script>

import { start } from "./start.js";
import type { Discreet, EventOptions, Message, Settings } from "./types.js";

/** https://plausible.io/docs/custom-event-goals, and the names of older scripts. */
interface Options extends EventOptions {
  meta?: EventOptions["props"];
  revenue?: { amount: number | string; currency: string } | undefined;
  callback?: ((result: object) => void) | undefined;
  u?: string;
  interactive?: boolean;
}

/** https://plausible.io/docs/script-extensions: the argument of `plausible.init`. */
interface Config {
  autoCapturePageviews?: boolean;
  captureOnLocalhost?: boolean;
  customProperties?: Props | ((name: string) => Props);
  endpoint?: string;
  fileDownloads?: unknown;
  formSubmissions?: unknown;
  outboundLinks?: unknown;
  transformRequest?: (payload: Payload) => Payload | null | undefined | false;
}

type Props = Record<string, string | number | boolean>;

interface Payload {
  n: string;
  u: string;
  d: string;
  r: string;
  p: Props;
}

interface Plausible {
  (name: string, options?: Options): void;
  init?: (config?: Config) => void;
  /** Calls that came before the script did, and the argument of an early `init`. */
  q?: ArrayLike<unknown>[];
  o?: Config;
}

const page = window as { plausible?: Plausible };
const tag = (document.currentScript || document.getElementById("plausible")) as HTMLScriptElement;
const [base = "", ...extensions] = new URL(tag.src).pathname.replace(/.*\/|\.js$/g, "").split(".");
const ofSite = base.startsWith("pa-"); // Plausible keeps what such a script does with the site
const has = (extension: string): boolean => extensions.includes(extension);
const domain = tag.dataset.domain || location.hostname.replace(/^www\./, "");
const LOCAL = /^localhost$|^127(\.\d+){0,2}\.\d+$|^\[::1?\]$|^$/;

let config: Config = {};
let discreet: Discreet | undefined;
/** Whether the event was told by the page, and not found by the beacon. */
let told = false;
/** Whether what was clicked last has an event of its own, instead of those that are found. */
let named = false;

const wanted = (option: keyof Config, extension: string): boolean =>
  ofSite ? config[option] !== false : has(extension);

/** `*` stands for anything within a part of the path, `**` for anything. */
const matches = (patterns: string): boolean =>
  patterns.split(",").some((pattern) => {
    const literal = pattern.trim().replace(/[.+?^${}()|[\]\\]/g, "\\$&");
    const expression = literal.replace(/\*+/g, (stars) => (stars.length > 1 ? ".*" : "[^/]*"));
    return new RegExp(`^${expression}/?$`).test(
      location.pathname + (has("hash") ? location.hash : ""),
    );
  });

function excluded(): boolean {
  const { include, exclude } = tag.dataset;
  return (
    has("exclusions") &&
    ((include !== undefined && !matches(include)) || (exclude !== undefined && matches(exclude)))
  );
}

/** What every event carries: attributes `event-author="…"` of the tag, or what `init` was told. */
function common(name: string): Props {
  const { customProperties = {} } = config;
  const props = typeof customProperties === "function" ? customProperties(name) : customProperties;
  const stated = has("pageview-props")
    ? [...tag.attributes].filter(({ name }) => name.startsWith("event-"))
    : [];
  return {
    ...Object.fromEntries(stated.map(({ name, value }) => [name.slice(6), value])),
    ...props,
  };
}

/** What the beacon finds by itself, and whether the page asked for it. */
const FOUND: Record<string, () => boolean> = {
  engagement: () => !excluded(),
  "Outbound Link: Click": () => !named && wanted("outboundLinks", "outbound-links"),
  "File Download": () => !named && wanted("fileDownloads", "file-downloads"),
  "Form: Submission": () => !named && ofSite && config.formSubmissions !== false,
};

/** An event as it is sent, or nothing where the page does not want it. */
function before(event: Message): Message | null {
  const { event: name, properties, context } = event;
  if ((name === "pageview" && excluded()) || (!told && FOUND[name]?.() === false)) return null;
  const { revenue, currency, ...p } = { ...common(name), ...properties };
  const { url: u, referrer: r } = context.page;
  const payload = { n: name, u, d: domain, r, p: p as Props };
  const changed = config.transformRequest ? config.transformRequest(payload) : payload;
  if (!changed) return null;
  const money = revenue === undefined ? {} : { revenue, currency };
  return {
    ...event,
    type: changed.n === "pageview" ? "page" : "track",
    event: changed.n,
    properties: { ...changed.p, ...money },
    context: { page: { url: changed.u, referrer: changed.r } },
  };
}

const plausible: Plausible = (name, { props, meta, u, url, revenue, callback } = {}) => {
  told = true;
  const money = revenue && { revenue: +revenue.amount, currency: revenue.currency };
  discreet?.(name, { props: { ...(props || meta), ...money }, url: u || url });
  callback?.({});
  told = false;
};

/** Classes such as `plausible-event-name=Sign+up`, on what was clicked or on what it lies in. */
function tagged({ type, target }: Event): void {
  const marked = (target as Element).closest('[class*="plausible-event-name"]');
  named = !!marked;
  if (!marked || (type === "submit") !== (marked.tagName === "FORM")) return;
  const link = (target as Element).closest("a");
  const props: Props = link ? { url: link.origin + link.pathname } : {};
  const revenue: Record<string, string> = {};
  for (const word of marked.classList) {
    const [, kind, key, value] = /^plausible-(event|revenue)-(.+?)(?:=|--)(.+)/.exec(word) || [];
    if (key && value) (kind === "event" ? props : revenue)[key] = value.replace(/\+/g, " ");
  }
  const { name, ...rest } = props;
  const { amount, currency } = revenue;
  const money = amount && currency ? { amount, currency } : undefined;
  plausible(String(name), { props: rest, revenue: money });
}

function init(given: Config = {}): void {
  if (discreet) return;
  config = given;
  const local = LOCAL.test(location.hostname);
  if (local && !has("local") && !config.captureOnLocalhost) return;
  const manual = has("manual") || config.autoCapturePageviews === false;
  const settings: Settings = {
    ...tag.dataset,
    domain,
    api: config.endpoint || tag.dataset.api,
    ...(manual && { manual: "" }),
  };
  if (ofSite || has("tagged-events")) {
    for (const type of ["click", "auxclick", "submit"]) addEventListener(type, tagged, true);
  }
  window.discreet = discreet = start(settings, tag.src, before);
  // Plausible's script tells engagement of everybody; the service decides what it keeps. Afterwards:
  // a tag that doesn't speak of an exemption is none to look at the device by.
  settings.policy ??= "exempt";
}

const stub = page.plausible;
page.plausible = Object.assign(plausible, { init });
if (!ofSite || stub?.o) init(stub?.o);
for (const call of stub?.q || []) plausible(...(Array.from(call) as [string, Options?]));
