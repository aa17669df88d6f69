// Builds the front end into ../dashboards/static: hashed names, so that browsers may keep them for
// good, and manifest.json to find them by. What sites link to keeps its name besides, and beacon.json
// has its hashed name, its integrity (https://www.w3.org/TR/SRI/) and its size.
// Everything is also stored gzipped, so that no process compresses the same bytes twice.
// The geography database comes out of its package too: clients/geo/country.mmdb.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { minify } from "terser";
import { world } from "./world.mjs";

const here = new URL("./", import.meta.url);
const out = new URL("../dashboards/static/", here);
const target = ["es2020", "chrome90", "firefox90", "safari15"];

// What sites load, and what it may weigh, in bytes gzipped: every page of theirs pays for it.
const SCRIPTS = {
  "discreet.js": { entry: "beacon/script.ts", most: 2600 },
  "core.js": { entry: "beacon/script.ts", most: 1600, full: false },
  "plausible.js": { entry: "beacon/plausible.ts", most: 6000 },
  "tcf.js": { entry: "beacon/tcf.ts", most: 6000 },
  "consent-mode.js": { entry: "beacon/consent-mode.ts", most: 6000 },
  "banner.js": { entry: "beacon/banner.ts", most: 6000 },
};

// Script and style of the overview's first view, in bytes gzipped.
const MOST_OF_FIRST_VIEW = 20_000;

// The banner's texts, under a version of their own: the record of a consent says what was shown.
const texts = readFileSync(new URL("beacon/banner.json", here));
const banner = {
  version: createHash("sha256").update(texts).digest("hex").slice(0, 16),
  hash: createHash("sha256").update(texts).digest("hex"),
  texts: JSON.parse(texts),
};

async function bundle(entry) {
  const result = await build({
    entryPoints: [new URL(entry, here).pathname],
    bundle: true,
    minify: true,
    format: "iife",
    legalComments: "eof",
    target,
    write: false,
  });
  return Buffer.from(result.outputFiles[0].contents);
}

// esbuild joins the modules, terser takes names and repetition out: 5 % less than esbuild alone.
async function script({ entry, full = true, module = false }) {
  const joined = await build({
    entryPoints: [new URL(entry, here).pathname],
    bundle: true,
    format: "esm",
    target: ["es2021"],
    define: { FULL: String(full), VERSION: JSON.stringify(banner.version) },
    write: false,
  });
  const { code } = await minify(joined.outputFiles[0].text, {
    ecma: 2020,
    module: true,
    compress: {
      passes: 3,
      unsafe_arrows: true,
      unsafe_methods: true,
      pure_getters: true,
      keep_fargs: false,
      hoist_funs: true,
      inline: 1,
    },
  });
  return Buffer.from(module ? code : `(()=>{${code.replace(/;$/, "")}})();\n`);
}

function hashed(name, content) {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 12);
  return name.replace(/\.([a-z]+)$/, `-${hash}.$1`);
}

function write(name, content) {
  writeFileSync(new URL(name, out), content);
  const zipped = gzipSync(content, { level: 9 });
  writeFileSync(new URL(`${name}.gz`, out), zipped);
  console.log(`${name.padEnd(28)} ${content.length} bytes, ${zipped.length} gzipped`);
  return zipped.length;
}

const pages = {
  "app.js": await bundle("pages/app.ts"),
  "install.js": await bundle("pages/install.ts"),
  "sections.js": await bundle("pages/sections.ts"),
  "realtime.js": await bundle("pages/realtime.ts"),
  "app.css": await bundle("pages/app.css"),
  "sections.css": await bundle("pages/sections.css"),
  "favicon.svg": readFileSync(new URL("pages/favicon.svg", here)),
};
const scripts = {};
for (const [name, { entry, ...rest }] of Object.entries(SCRIPTS)) {
  if (existsSync(new URL(entry, here))) scripts[name] = await script({ entry, ...rest });
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const manifest = {};
const weights = {};
for (const [name, content] of Object.entries(pages)) {
  manifest[name] = hashed(name, content);
  weights[name] = write(manifest[name], content);
}
const first = weights["app.js"] + weights["app.css"];
if (first > MOST_OF_FIRST_VIEW) {
  console.error(`the overview weighs ${first} bytes, more than the ${MOST_OF_FIRST_VIEW} it may`);
  process.exitCode = 1;
}
const beacons = {};
for (const [name, content] of Object.entries(scripts)) {
  const digest = createHash("sha384").update(content).digest("base64");
  const size = write(name, content);
  beacons[name] = { name: hashed(name, content), integrity: `sha384-${digest}`, size };
  if (size > SCRIPTS[name].most) {
    console.error(
      `${name} weighs ${size} bytes gzipped, more than the ${SCRIPTS[name].most} it may`,
    );
    process.exitCode = 1;
  }
}
const json = (name, content) =>
  writeFileSync(new URL(name, out), `${JSON.stringify(content, null, 2)}\n`);
json("beacon.json", beacons);
json("banner.json", banner);
json("manifest.json", manifest);
writeFileSync(new URL("world.json", out), JSON.stringify(world()));

// The package discreet-beacon: one file and its types.
const dist = new URL("beacon/dist/", here);
rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });
const module = await script({ entry: "beacon/module.ts", module: true });
writeFileSync(new URL("discreet.js", dist), module);
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "--project", "beacon"], {
  cwd: here,
  stdio: "inherit",
});

mkdirSync(new URL("geo/", here), { recursive: true });
copyFileSync(
  new URL(
    "node_modules/@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb",
    here,
  ),
  new URL("geo/country.mmdb", here),
);
