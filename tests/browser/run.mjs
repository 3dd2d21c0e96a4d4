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
import { send, signIn as enter } from "./person.mjs";

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

/** Somebody who signs in within a context of their own. */
const signIn = async (context, post) => enter(await context.newPage(), flags.url, post);

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
  const requests = await first("/requests", "tbody th a");
  const waiting = await first("/approvals", ".waiting h2 a");
  return Object.entries({
    overview: "/",
    catalog: "/catalog",
    requests: "/requests",
    request: requests[0],
    approvals: "/approvals",
    decide: waiting[0],
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

/** A department asks, through the wizard and without scripts; a second draft is left behind. Gives the pages of the way. */
async function ask(browser) {
  const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 390, height: 844 } });
  const page = await signIn(context, "owner");
  const begin = async () => {
    await page.goto(`${flags.url}/catalog`);
    await page.locator("#service-cloud-host a.button").click();
    await send(page, { "classified-1": "", "environment-1": "" });
  };
  await begin();
  check("the wizard: leads to the service that was chosen", /\/items\/cloud-host$/.test(page.url()), page.url());
  await send(page, { "place-1": "", count: "x", namespace: "kuorong" });
  check("the wizard: an error is told at the top", (await page.locator("#errors a").count()) > 0);
  const wrong = page.url();
  await send(page, { count: "2" });
  const home = page.url();
  await page.goto(`${home}/basics`);
  await send(page, { title: "智慧人社扩容", justification: "社保卡换发期间日均办件量由 1.2 万增至 3 万，按峰值 70% 测算。" });
  await page.goto(`${home}/system`);
  const registered = await page.locator("input[value='registered:zhihui-renshe']").count();
  if (registered > 0) await send(page, { "system-1": "" });
  else await send(page, { [`system-${(await page.locator("input[name=system]").count()) - 1}`]: "", id: "zhihui-renshe", name: "智慧人社", owner: "人社信息化岗", category: "Own", hosting: "Local", mlps: "3" });
  await page.goto(`${home}/project`);
  await send(page, { name: "智慧人社二期", "basis-1": "", approval: "湛发改审〔2026〕88号", "source-0": "OwnBudget", "percent-0": "60", "source-1": "ProvincialPurchase", "percent-1": "40" });
  await page.goto(`${home}/check`);
  check("the wizard: the answers are complete", (await page.locator("#errors").count()) === 0, await page.locator("main").innerText());
  await page.locator(".submit button.primary").click();
  check("the wizard: the request is there", /\/requests\/zj-rsj\//.test(page.url()), `${page.url()} ${await page.locator("main").innerText()}`);
  const request = new URL(page.url()).pathname;
  await begin();
  const item = new URL(page.url()).pathname;
  const draft = item.split("/items/")[0];
  await context.close();
  check("the wizard: a draft stays", wrong !== item && /^\/drafts\//.test(draft));
  return Object.entries({
    "new": "/requests/new",
    tasks: draft,
    service: `${draft}/items/new`,
    item: item,
    "item-wrong": `${item}?check=1`,
    basics: `${draft}/basics`,
    system: `${draft}/system`,
    project: `${draft}/project?check=1`,
    check: `${draft}/check`,
    "my-requests": "/requests",
    "my-request": request,
  });
}

/** Waits until the operator has judged what was asked, where one does. */
async function judged(page) {
  for (let tries = 0; tries < 20; tries += 1) {
    await page.goto(`${flags.url}/requests`);
    const open = await page.locator("tbody .state.progress small, tbody td small").count();
    if (open > 0) return;
    await page.waitForTimeout(500);
  }
}

/** The unit's head approves, so that the platform's owner has a decision to look at. */
async function headApproves(browser, request) {
  const context = await browser.newContext();
  const page = await signIn(context, "head");
  const approve = page.locator("button[name=outcome][value=Approve]");
  for (let tries = 0; tries < 40 && (await approve.count()) === 0; tries += 1) {
    await page.waitForTimeout(500);
    await page.goto(`${flags.url}${request.replace("/requests/", "/approvals/")}`);
  }
  await approve.click();
  await context.close();
}

async function looks(browser) {
  const own = await ask(browser);
  await headApproves(browser, Object.fromEntries(own)["my-request"]);
  const scout = await browser.newContext();
  const page = await signIn(scout, flags.post);
  await judged(page);
  const pages = await addresses(page);
  if (!pages.some(([name]) => name === "decide")) console.log("skipped: the page of a decision, because nothing waits for one");
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
    for (const [name, href] of [...pages, ...own]) {
      if (name === own[0][0]) {
        await page.click(".menu.person summary");
        await page.click(".menu.person form button");
        await page.check("#post-owner");
        await page.click("button.primary");
      }
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
