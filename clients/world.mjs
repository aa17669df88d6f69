// The outlines of the world's countries as SVG paths, by ISO 3166-1 code: Natural Earth's, which are
// in the public domain, in the projection of that name.

import { readFileSync } from "node:fs";
import { geoNaturalEarth1, geoPath } from "d3-geo";
import { feature } from "topojson-client";

const WIDTH = 960;
const HEIGHT = 440;

const read = (name) =>
  JSON.parse(readFileSync(new URL(`node_modules/${name}`, import.meta.url), "utf8"));

/** In a box of 960 by 440, Antarctica left out. */
export function world() {
  const topology = read("world-atlas/countries-110m.json");
  const codes = Object.fromEntries(read("i18n-iso-countries/codes.json").map(([a, , n]) => [n, a]));
  const { features } = feature(topology, topology.objects.countries);
  const shown = features.filter(({ id }) => id !== "010");
  const projection = geoNaturalEarth1().fitSize([WIDTH, HEIGHT], {
    type: "FeatureCollection",
    features: shown,
  });
  const path = geoPath(projection).digits(1);
  // Those that no code names (Kosovo's is the user-assigned XK) are land that says nothing.
  const own = { Kosovo: "XK" };
  return Object.fromEntries(
    shown.map((one, at) => [codes[one.id] ?? own[one.properties.name] ?? `-${at}`, path(one)]),
  );
}
