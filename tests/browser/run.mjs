// The portal in a real browser: every page of the router, in both languages, every theme, wide and on a phone; without scripts;
// by keyboard alone. `cargo test --test browser` runs it on the sample, with the router's own list of routes.
//
//   node tests/browser/run.mjs --url http://127.0.0.1:8080 [--routes routes.json] [--kubectl "kubectl --kubeconfig …"]
//     [--only zh-light] [--part looks,plain,keyboard,mishaps,acts,live] [--shots DIR]

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { acts } from "./acts.mjs";
import { files } from "./files.mjs";
import * as keyboard from "./keyboard.mjs";
import { looks } from "./looks.mjs";
import { mishaps } from "./mishaps.mjs";
import { withoutScripts } from "./plain.mjs";
import { province } from "./province.mjs";
import { Routes } from "./routes.mjs";
import { signIn } from "./person.mjs";
import { check, launch, leave, result, sent, timed } from "./suite.mjs";

const { values: flags } = parseArgs({
  options: {
    url: { type: "string" },
    routes: { type: "string", default: "" },
    kubectl: { type: "string", default: "" },
    only: { type: "string", default: "" },
    part: { type: "string", default: "looks,plain,keyboard,mishaps,acts,live" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
    shots: { type: "string", default: "" },
  },
});
if (!flags.url) {
  console.error("usage: node tests/browser/run.mjs --url http://127.0.0.1:8080");
  process.exit(2);
}
if (flags.shots) mkdirSync(flags.shots, { recursive: true });
const parts = new Set(flags.part.split(","));

/** A change in the hub is seen in an open page. */
async function live(browser) {
  if (!flags.kubectl) return;
  const [program, ...words] = flags.kubectl.split(" ");
  const kubectl = (...more) => execFileSync(program, [...words, ...more], { encoding: "utf8" });
  const name = kubectl("get", "cloudplatforms", "-o", "jsonpath={.items[0].metadata.name}");
  const before = kubectl("get", "cloudplatform", name, "-o", "jsonpath={.spec.displayName.zh}");
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await signIn(await context.newPage(), flags.url, "approver");
  await page.click("#board-table summary");
  await page.waitForTimeout(500);
  const after = `${before}·改`;
  const rename = (zh) => kubectl("patch", "cloudplatform", name, "--type=merge", "-p", JSON.stringify({ spec: { displayName: { zh } } }));
  rename(after);
  const began = Date.now();
  const seen = await page.waitForSelector(`.card h4:has-text("${after}")`, { timeout: 5000 }).then(() => true, () => false);
  check("live: a change is seen", seen);
  console.log(`live: a change is seen after ${Date.now() - began} ms`);
  check("live: an opened table stays open", await page.locator("#board-table").evaluate((details) => details.open));
  rename(before);
  await leave(context);
}

/** No page of the router that nobody looks at, and none that is not the router's. */
function covered(routes, pages) {
  for (const { name, href, status } of pages) {
    const route = routes.visit(href);
    check(`${name} is a page of the router`, route?.gives === "page" || status >= 400, `${href} is ${JSON.stringify(route)}`);
  }
  const missing = routes.missing((gives) => gives === "page");
  check("every page of the router is looked at", missing.length === 0, `add to tests/browser/province.mjs: ${missing.join(" ")}`);
}

/** No act of the router that nobody does, and no form that is sent elsewhere. What was refused is not done. */
function done(list) {
  const routes = new Routes(list, "POST");
  for (const { path, status } of sent) {
    check(`${path} is an act of the router`, routes.of(path) !== undefined);
    if (status < 400) routes.visit(path);
  }
  const missing = routes.missing();
  check("every act of the router is done", missing.length === 0, `add to tests/browser/acts.mjs: ${missing.join(" ")}`);
}

const browser = await launch(flags.chromium);
try {
  const { pages, made } = await timed("a province at work", () => province(browser, flags.url));
  const list = flags.routes ? JSON.parse(readFileSync(flags.routes, "utf8")) : undefined;
  const routes = list ? new Routes(list) : undefined;
  if (routes) covered(routes, pages);
  else console.log("skipped: whether every route is visited, because --routes names no list");
  const people = await keyboard.cookies(browser, flags.url, pages);
  if (parts.has("looks")) {
    const addresses = await timed("looks", () => looks(browser, pages, people, flags));
    if (routes) {
      await timed("files", () => files(flags.url, addresses, people, routes));
      check("everything else of the router is fetched", routes.missing().length === 0, `nothing links to: ${routes.missing().join(" ")}`);
    }
  }
  if (parts.has("plain")) await timed("without scripts", () => withoutScripts(browser, pages, people, flags));
  if (parts.has("keyboard")) {
    await timed("by keyboard: every page", () => keyboard.everyPage(browser, pages, people, flags));
    await timed("by keyboard: menus", () => keyboard.around(browser, flags));
    await timed("by keyboard: lists", () => keyboard.lists(browser, flags));
    await timed("by keyboard: tasks", () => keyboard.tasks(browser, flags));
  }
  if (parts.has("mishaps")) await timed("mishaps", () => mishaps(browser, flags));
  if (parts.has("acts")) {
    await timed("acts", () => acts(browser, made, { ...flags, routes }));
    if (list) done(list);
  }
  if (parts.has("live")) await timed("live", () => live(browser));
} catch (error) {
  check("the run came to its end", false, String(error.stack ?? error));
} finally {
  await leave(browser);
}
process.exit(result() ? 0 : 1);
