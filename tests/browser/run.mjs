// The portal in a real browser: every page, both languages, every theme, wide and on a phone.
// Judges accessibility (axe, WCAG 2.2 AA), the content security policy, sideways scrolling, working without scripts,
// and live updates; writes screenshots to --shots (.qipan/screenshots). `cargo test --test browser` runs it on the sample.
//
//   node tests/browser/run.mjs --url http://127.0.0.1:8080 [--post approver] [--kubectl "kubectl --kubeconfig …"] [--only zh-light-1280]

import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import AxePackage from "@axe-core/playwright";
import { chromium } from "playwright-core";

const AxeBuilder = AxePackage.default ?? AxePackage;
const { values: flags } = parseArgs({
  options: {
    url: { type: "string" },
    post: { type: "string", default: "approver" },
    only: { type: "string", default: "" },
    kubectl: { type: "string", default: "" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
    shots: { type: "string", default: "" },
  },
});
if (!flags.url) {
  console.error("usage: node tests/browser/run.mjs --url http://127.0.0.1:8080");
  process.exit(2);
}

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const shots = flags.shots || join(root, ".qipan/screenshots");
mkdirSync(shots, { recursive: true });

const LANGUAGES = ["zh", "en"];
const THEMES = ["light", "dark", "care"];
const WIDTHS = [1280, 390];
let passed = 0;
const failures = [];

function check(name, good, detail = "") {
  if (good) {
    passed += 1;
  } else {
    failures.push(name);
    console.error(`FAILED ${name}${detail ? `: ${detail}` : ""}`);
  }
}

async function signIn(context, post) {
  const page = await context.newPage();
  await page.goto(`${flags.url}/sign-in?next=/`);
  await page.check(`#post-${post}`);
  await page.click("button.primary");
  await page.waitForURL(`${flags.url}/`);
  return page;
}

function listen(page, complaints) {
  page.on("console", (message) => {
    const text = message.text();
    if (message.type() === "error" && !/status of 404/.test(text)) complaints.push(text);
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
}

async function judge(page, name, complaints) {
  const { violations } = await new AxeBuilder({ page })
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
    .analyze();
  const told = violations.map((v) => `${v.id} (${v.nodes.length}): ${v.nodes[0].html.slice(0, 160)} ${v.nodes[0].any[0]?.message ?? v.nodes[0].failureSummary}`);
  check(`${name}: no accessibility violation`, violations.length === 0, told.join("\n  "));
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  check(`${name}: no sideways scrolling`, wide <= 0, `${wide} px too wide`);
  check(`${name}: nothing to complain in the console`, complaints.length === 0, complaints.join(" | "));
  complaints.length = 0;
}

/** The addresses of the pages, found by following links as a person would. */
async function addresses(page) {
  const first = async (from, selector) => {
    await page.goto(`${flags.url}${from}`);
    const all = await page.$$eval(selector, (links) => links.map((link) => link.getAttribute("href")));
    return all;
  };
  const platforms = await first("/", ".card h4 a");
  const tenants = await first("/tenants", "tbody th a");
  const states = await page.goto(`${flags.url}/`).then(() =>
    page.$$eval(".card", (cards) => cards.map((card) => [card.className + (card.parentElement.querySelector(".link.lost") ? " lost" : ""), card.querySelector("h4 a").getAttribute("href")])),
  );
  const lost = states.find(([name]) => name.includes(" lost"));
  const declared = states.find(([name]) => name.includes("declared"));
  const withGrants = [];
  for (const href of tenants) {
    await page.goto(`${flags.url}${href}`);
    withGrants.push([await page.locator(".grant").count(), href]);
  }
  withGrants.sort((a, b) => b[0] - a[0]);
  return Object.entries({
    overview: "/",
    platforms: "/platforms",
    tenants: "/tenants",
    mine: "/mine",
    "work-orders": "/work-orders",
    notifications: "/notifications",
    bulletins: "/bulletins",
    search: "/search?q=zj",
    costs: "/costs",
    members: withGrants[0] && `${withGrants[0][1]}/members`,
    trends: withGrants[0] && `${withGrants[0][1]}/trends`,
    platform: platforms.find((href) => ![lost?.[1], declared?.[1]].includes(href)),
    "platform-lost": lost?.[1],
    "platform-declared": declared?.[1],
    tenant: withGrants[0]?.[1],
    "no-page": "/platforms/there-is-no-such-platform",
  }).filter(([, href]) => href);
}

async function looks(browser) {
  const scout = await browser.newContext();
  const pages = await addresses(await signIn(scout, flags.post));
  await scout.close();
  for (const lang of LANGUAGES) for (const theme of THEMES) for (const width of WIDTHS) {
    const look = `${lang}-${theme}-${width}`;
    if (flags.only && flags.only !== look) continue;
    const context = await browser.newContext({ viewport: { width, height: width === 390 ? 844 : 900 } });
    const page = await context.newPage();
    const complaints = [];
    listen(page, complaints);
    await page.goto(`${flags.url}/sign-in?lang=${lang}&theme=${theme}`);
    await judge(page, `sign-in ${look}`, complaints);
    await page.screenshot({ path: join(shots, `sign-in-${look}.png`), fullPage: true });
    await page.check(`#post-${flags.post}`);
    await page.click("button.primary");
    for (const [name, href] of pages) {
      await page.goto(`${flags.url}${href}`);
      check(`${name} ${look}: in the language and theme that were chosen`,
        (await page.getAttribute("html", "lang")).startsWith(lang) && (await page.getAttribute("html", "data-theme")) === theme);
      await judge(page, `${name} ${look}`, complaints);
      await page.screenshot({ path: join(shots, `${name}-${look}.png`), fullPage: true });
    }
    if (width === 390) {
      await page.goto(`${flags.url}/`);
      await page.click(".menu.narrow summary");
      await judge(page, `open menu ${look}`, complaints);
      await page.screenshot({ path: join(shots, `menu-${look}.png`) });
    }
    await context.close();
  }
}

async function withoutScripts(browser) {
  const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 390, height: 844 } });
  const page = await signIn(context, flags.post);
  check("without scripts: the overview is there", (await page.locator(".card").count()) > 0);
  await page.click(".menu.narrow summary");
  await page.click(".menu.narrow a[href='/tenants']");
  check("without scripts: the menu leads to the tenants", new URL(page.url()).pathname === "/tenants");
  check("without scripts: the page says that it does not update itself", await page.locator("noscript p").isVisible());
  await page.click(".menu.person summary");
  await page.click(".menu.person button");
  check("without scripts: signing out leads to the sign-in", new URL(page.url()).pathname === "/sign-in");
  await context.close();
}

async function byKeyboard(browser) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await signIn(context, flags.post);
  await page.keyboard.press("Tab");
  check("by keyboard: the first stop skips to the content", (await page.evaluate(() => document.activeElement.className)) === "skip");
  await page.keyboard.press("Enter");
  check("by keyboard: skipping moves the focus", (await page.evaluate(() => document.activeElement.id)) === "main");
  await context.close();
}

async function live(browser) {
  if (!flags.kubectl) return;
  const [program, ...words] = flags.kubectl.split(" ");
  const kubectl = (...more) => execFileSync(program, [...words, ...more], { encoding: "utf8" });
  const name = kubectl("get", "cloudplatforms", "-o", "jsonpath={.items[0].metadata.name}");
  const before = kubectl("get", "cloudplatform", name, "-o", "jsonpath={.spec.displayName.zh}");
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await signIn(context, flags.post);
  await page.click("#board-table summary");
  await page.waitForTimeout(500);
  const after = `${before}·改`;
  const rename = (zh) => kubectl("patch", "cloudplatform", name, "--type=merge", "-p", JSON.stringify({ spec: { displayName: { zh } } }));
  rename(after);
  const began = Date.now();
  const seen = await page.waitForSelector(`.card h4:has-text("${after}")`, { timeout: 5000 }).then(() => true, () => false);
  check(`live: a change is seen (${Date.now() - began} ms)`, seen && Date.now() - began < 2000);
  check("live: an opened table stays open", await page.locator("#board-table").evaluate((details) => details.open));
  rename(before);
  await context.close();
}

const browser = await chromium.launch({
  executablePath: flags.chromium,
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  await looks(browser);
  await withoutScripts(browser);
  await byKeyboard(browser);
  await live(browser);
} catch (error) {
  check("the run came to its end", false, String(error.stack ?? error));
} finally {
  await browser.close();
}
console.log(`${passed} passed, ${failures.length} failed`);
process.exit(failures.length === 0 ? 0 : 1);
