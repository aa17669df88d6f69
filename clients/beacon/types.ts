// What the parts of the beacon, and the pages that load it, tell each other.

declare global {
  interface Navigator {
    /** https://w3c.github.io/gpc/ */
    readonly globalPrivacyControl?: boolean;
  }
  interface Document {
    readonly prerendering?: boolean;
  }
}

/** How a page sets the beacon up: the `data-` attributes of its tag, or the argument of `init`. */
export interface Settings {
  /** The site's write key, or instead its domain. */
  key?: string | undefined;
  domain?: string | undefined;
  /** Where events are posted, where that is not beside the script: ends in `/v1/batch`. */
  api?: string | undefined;
  /** `exempt`: the site measures its audience without consent where law allows. */
  policy?: string | undefined;
  /** Set: look for what was kept on the device. `banner`, `tcf`, `consent-mode`: and load that. */
  consent?: string | undefined;
  /** The site's own name for the category that stands for audience measurement. */
  category?: string | undefined;
  /** Set: the page tells its views itself. */
  manual?: string | undefined;
}

export interface EventOptions {
  /** Scalars; `revenue` (a number) and `currency` (ISO 4217) are a sum of money. */
  props?: Record<string, string | number | boolean | undefined> | undefined;
  /** Another address than the page's. */
  url?: string | undefined;
}

/** An event as it is sent: Segment's `page` and `track` calls. */
export interface Message {
  type: "page" | "track";
  event: string;
  messageId: string;
  /** Text where the event has waited on the device. */
  timestamp: Date | string;
  properties: Record<string, unknown>;
  context: { page: { url: string; referrer: string } };
}

/** One answer for each category that was asked about. */
export type Categories = Record<string, boolean>;

/** What else is known of how a choice was made. */
export interface Details {
  noticeVersion?: string;
  language?: string;
  method?: "banner" | "api" | "tcf" | "consent-mode";
  tcString?: string;
}

/** What the service answers to a choice. */
export interface Receipt {
  receipt?: string;
  status?: string;
  expiresAt?: string;
  subjectToken?: string;
}

export interface Discreet {
  /** Tells an event of the page's own; `pageview` is a page view. */
  (name: string, options?: EventOptions): void;
  /** Sees every event before it waits to be sent: returns it, changed or not, or nothing to stop it. */
  before: (event: Message) => Message | null | undefined | false;
  /** States the person's choice. The promise fails where the service could not be reached. */
  consent(categories: Categories, details?: Details): Promise<Receipt | undefined>;
  /** Keeps an objection on this device and stops everything. */
  optOut(): Promise<Receipt | undefined>;
  /** Leaves this browser out of the figures, or takes it in again; tells nobody. */
  ignore(on?: boolean): void;
  /** Opens the consent banner, where `banner.js` is loaded. */
  banner(): void;
}
