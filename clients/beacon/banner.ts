// The consent banner: asks for each purpose by itself, in the page's language, with refusing as near
// as accepting. data-consent="banner" on the beacon's tag, or a tag of its own after it.
//
// It looks for the choice that is kept (see kept.ts) and asks only where there is none: not within six
// months of a refusal, and never somebody whose browser objects (Global Privacy Control).

import TEXTS from "./banner.json";
import { kept, recall } from "./kept.js";

declare const VERSION: string;

type Language = keyof typeof TEXTS;

const PURPOSES = ["analytics", "product", "attribution"] as const;

// Adopted, so that a strict content-security policy has nothing to forbid. Sites set the properties.
const STYLE = `
:host { all: initial; }
:host, dialog { --back: var(--discreet-background, #fff); --text: var(--discreet-text, #1b1f24);
  --quiet: var(--discreet-quiet, #57606a); --line: var(--discreet-line, #8c959f);
  --strong: var(--discreet-accent, #0b5394); --on: var(--discreet-on-accent, #fff); }
@media (prefers-color-scheme: dark) { :host, dialog { --back: var(--discreet-background, #1b1f24);
  --text: var(--discreet-text, #f0f3f6); --quiet: var(--discreet-quiet, #b1bac4);
  --line: var(--discreet-line, #6e7681); --strong: var(--discreet-accent, #a5d0ff);
  --on: var(--discreet-on-accent, #0d1117); } }
* { box-sizing: border-box; font: inherit; }
dialog { color-scheme: light dark; position: fixed; inset: auto 1rem 1rem auto; margin: 0;
  width: min(26rem, 100% - 2rem); max-height: calc(100% - 2rem); overflow: auto; padding: 1.25rem;
  color: var(--text); background: var(--back); border: 1px solid var(--line);
  border-radius: .75rem; box-shadow: 0 .5rem 2rem #0004; z-index: 2147483647;
  font: 1rem/1.45 var(--discreet-font, system-ui, sans-serif); }
h2 { margin: 0 0 .5rem; font-size: 1.15rem; font-weight: 650; outline: 0; }
p { margin: 0 0 .75rem; }
label { display: grid; grid-template-columns: 1.25rem 1fr; column-gap: .6rem; padding: .4rem 0; }
label span { font-weight: 600; } label small { grid-column: 2; color: var(--quiet); font-size: .9rem; }
input { width: 1.15rem; height: 1.15rem; margin: .15rem 0 0; accent-color: var(--strong); }
div { display: grid; grid-template-columns: 1fr 1fr; gap: .5rem; margin-top: .75rem; }
button { min-height: 2.75rem; padding: .5rem .25rem; border: 1px solid var(--strong);
  border-radius: .5rem; cursor: pointer; font-weight: 600; color: var(--on);
  background: var(--strong); }
.plain { grid-column: 1 / -1; color: var(--strong); background: none; }
a { color: var(--strong); }
.again { position: fixed; inset: auto auto .5rem .5rem; min-height: 2rem; padding: .25rem .6rem;
  font: .85rem/1.3 var(--discreet-font, system-ui, sans-serif); z-index: 2147483646;
  color: var(--strong); background: var(--back); border-color: var(--line); }
dialog ~ .again { visibility: hidden; }
:focus-visible { outline: 3px solid var(--strong); outline-offset: 2px; }`;

const tag = document.querySelector<HTMLElement>("script[data-consent=banner]");
const { notice, link, language = document.documentElement.lang } = tag?.dataset || {};

/** An element with its attributes and what is in it. */
function make(name: string, attributes: Record<string, string>, ...content: (Node | string)[]) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...content);
  return element;
}

const spoken = language.slice(0, 2).toLowerCase();
const lang: Language = spoken in TEXTS ? (spoken as Language) : "en";
const texts = TEXTS[lang];

const host = make("div", { lang });
const root = host.attachShadow({ mode: "open" });
const style = new CSSStyleSheet();
style.replaceSync(STYLE);
root.adoptedStyleSheets = [style];

let shown: HTMLElement | undefined;
let before: Element | null = null;

function close(): void {
  shown?.remove();
  shown = undefined;
  (before as HTMLElement | null)?.focus?.();
}

function state(agreed: (purpose: string) => boolean): void {
  const categories = Object.fromEntries(PURPOSES.map((purpose) => [purpose, agreed(purpose)]));
  window.discreet?.consent?.(categories, {
    method: "banner",
    noticeVersion: VERSION,
    language: lang,
  });
  close();
}

/** Opens the banner. `asked`: by the person, who is then led into it. */
function open(asked: boolean): void {
  if (shown) return;
  before = document.activeElement;
  recall();
  const chosen = kept.choice?.categoryPreferences || {};
  const boxes = PURPOSES.map((purpose) => {
    const box = make("input", { type: "checkbox", name: purpose }) as HTMLInputElement;
    box.checked = !!chosen[purpose]; // no box is ticked for anybody
    return box;
  });
  const button = (text: string, kind: string, act: () => void): HTMLElement => {
    const made = make("button", { type: "button", class: kind }, text);
    made.addEventListener("click", act);
    return made;
  };
  const title = make("h2", { id: "title", tabindex: "-1" }, texts.title);
  shown = make(
    "dialog",
    { "aria-labelledby": "title", "aria-describedby": "text", open: "" },
    title,
    make("p", { id: "text" }, texts.text),
    ...(notice ? [make("p", {}, make("a", { href: notice }, texts.notice))] : []),
    ...PURPOSES.map((purpose, index) =>
      make(
        "label",
        {},
        boxes[index] as Node,
        make("span", {}, texts[purpose]),
        make("small", {}, texts[`${purpose}Text`]),
      ),
    ),
    make(
      "div",
      {},
      button(texts.refuse, "", () => state(() => false)),
      button(texts.accept, "", () => state(() => true)),
      button(texts.save, "plain", () =>
        state((purpose) => boxes.some((box) => box.name === purpose && box.checked)),
      ),
      ...(asked ? [button(texts.close, "plain", close)] : []),
    ),
  );
  // Leaving is no answer: nothing is stated, and the next page asks again.
  shown.addEventListener("keydown", (event) => event.key === "Escape" && close());
  root.prepend(shown);
  if (asked) title.focus();
}

function begin(): void {
  document.body.append(host);
  recall();
  if (link !== undefined) {
    const again = make("button", { type: "button", class: "again" }, texts.reopen);
    again.addEventListener("click", () => open(true));
    root.append(again);
  }
  if (window.discreet) window.discreet.banner = () => open(true);
  const objects = navigator.globalPrivacyControl || navigator.doNotTrack === "1" || kept.objected;
  if (!objects && !kept.choice) open(false);
}

if (document.body) begin();
else addEventListener("DOMContentLoaded", begin);
