// What pages lead to that is no page: lists as files, papers, YAML, parts of pages, live updates, and the way to a notice.

import { check } from "./suite.mjs";

const TYPES = {
  csv: /^text\/csv/,
  xlsx: /^application\/vnd\.openxmlformats-officedocument\.spreadsheetml\.sheet/,
  pdf: /^application\/pdf/,
  file: /^(application|image)\//,
  json: /^application\/json/,
  text: /^text\/plain/,
  events: /^text\/event-stream/,
  asset: /^(text\/css|text\/javascript|application\/javascript|image\/svg\+xml)/,
};

/** How a file of the kind begins: `EF BB BF` so that a spreadsheet reads the letters right, `PK` of an archive, `%PDF`. */
const BEGINS = { csv: [0xef, 0xbb, 0xbf], xlsx: [0x50, 0x4b], pdf: [0x25, 0x50, 0x44, 0x46] };

async function fetched(url, address, cookies) {
  const ending = new AbortController();
  const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join("; ");
  const answer = await fetch(`${url}${address}`, { headers: { cookie }, redirect: "manual", signal: ending.signal });
  const type = answer.headers.get("content-type") ?? "";
  const stream = TYPES.events.test(type);
  const bytes = stream ? new Uint8Array() : new Uint8Array(await answer.arrayBuffer());
  if (stream) ending.abort();
  return { status: answer.status, type, bytes, location: answer.headers.get("location") };
}

/** Asks for one address and judges what comes by what the router says that it gives. */
async function one(url, address, cookies, gives) {
  const { status, type, bytes, location } = await fetched(url, address, cookies);
  if (gives === "hop") {
    check(`${address}: leads on within the portal`, status === 303 && /^\/(?!\/)/.test(location ?? ""), `${status} ${location}`);
    return;
  }
  check(`${address}: is there, and of its kind`, status === 200 && TYPES[gives].test(type), `${status} ${type}`);
  const begins = BEGINS[gives] ?? [];
  check(`${address}: begins as its kind does`, begins.every((byte, index) => bytes[index] === byte), String(bytes.slice(0, 8)));
}

/** Every route that is no page, by a link that a page has: a file that nothing leads to is found here. */
export async function files(url, addresses, people, routes) {
  for (const [post, found] of Object.entries(addresses)) {
    for (const address of found) {
      const route = routes.of(address);
      check(`a link to ${address} leads somewhere`, route !== undefined);
      if (!route || route.gives === "page" || route.visits > 0) continue;
      routes.visit(address);
      await one(url, address, people[post], route.gives);
    }
  }
}
