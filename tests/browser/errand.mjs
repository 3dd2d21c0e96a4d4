// What the journeys of requests share: the flags, the hub as kubectl sees it, people at devices, the wizard, a decision.

import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { send, signIn } from "./person.mjs";
import { leave } from "./suite.mjs";

/** What the journey was started with. */
export const { values: flags } = parseArgs({
  options: {
    url: { type: "string" },
    kubectl: { type: "string" },
    member: { type: "string", default: "" },
    lang: { type: "string", default: "zh" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
    shots: { type: "string", default: "." },
  },
});
mkdirSync(flags.shots, { recursive: true });
/** The department that asks. */
export const TENANT = "lianjiang-nyj";
let passed = 0;

/** How many things held. */
export const count = () => passed;

/** One thing that holds, or the journey ends. */
export function ensure(good, what, detail = "") {
  if (!good) throw new Error(`${what}${detail ? `: ${detail}` : ""}`);
  passed += 1;
  console.log(`  ${what}`);
}

/** Runs a program; its status and what it said. */
export function run(program, args, input) {
  const [name, ...first] = program.split(" ");
  try {
    return [0, execFileSync(name, [...first, ...args], { input, encoding: "utf8", stdio: ["pipe", "pipe", "pipe"] })];
  } catch (error) {
    return [error.status ?? 1, `${error.stdout}${error.stderr}`];
  }
}

/** kubectl as the hub's administrator. */
export const kubectl = (...args) => run(flags.kubectl, args)[1].trim();

/** A field of an object of a unit, as the hub has it. */
export const field = (kind, name, path, tenant = TENANT) => kubectl("get", `${kind}.qipan.dev`, "-n", `qp-${tenant}`, name, "-o", `jsonpath={${path}}`);

/** Looks until something is there. */
export async function until(what, look, patience = 60) {
  let last = "";
  for (let tries = 0; tries < patience * 2; tries += 1) {
    last = await look();
    if (last === true) return ensure(true, what);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new Error(`${what}: not after ${patience} s; last: ${last}`);
}

/** Somebody at a device of their own, in the language of this run. */
export async function person(browser, post, phone = true) {
  const viewport = phone ? { width: 390, height: 844 } : { width: 1280, height: 900 };
  const context = await browser.newContext({ viewport, acceptDownloads: true });
  const page = await context.newPage();
  await page.goto(`${flags.url}/sign-in?lang=${flags.lang}`);
  return signIn(page, flags.url, post);
}

/** A picture of a page. */
export async function shot(page, name) {
  await page.screenshot({ path: join(flags.shots, `journey-${flags.lang}-${name}.png`), fullPage: true });
}

/** Its reasons and days, and the press of the button; gives the request's name. */
export async function submit(page, home, { title, until = "" }) {
  await page.goto(`${home}/basics`);
  await send(page, { title, justification: "秋收期间日均上报由 300 条增至 2 000 条，按峰值七成测算。", until });
  await page.goto(`${home}/check`);
  ensure((await page.locator("#errors").count()) === 0, "the answers are complete", await page.locator("main").innerText());
  await shot(page, `check-${title}`);
  await page.locator(".submit button.primary").click();
  const path = new URL(page.url()).pathname;
  ensure(path.startsWith(`/requests/${TENANT}/`), "the request is submitted", `${path} ${await page.locator("main").innerText()}`);
  return path.split("/").pop().split("?")[0];
}

/** The system that it is for: the one that is registered, else a new one. */
async function system(page, home) {
  await page.goto(`${home}/system`);
  const registered = page.locator("input[name=system][value^='registered:']");
  if ((await registered.count()) > 0) await send(page, { "system-1": "" });
  else {
    const fresh = (await page.locator("input[name=system]").count()) - 1;
    await send(page, { [`system-${fresh}`]: "", id: "nongqing-jiance", name: "农情监测", owner: "农业信息化岗", category: "Own", hosting: "Local", mlps: "2" });
  }
}

/** Through the wizard for something new; gives the request's name. */
export async function ask(page, { type = "New", environment = "Production", title, count, namespace }) {
  await page.goto(`${flags.url}/catalog`);
  await page.locator("#service-cloud-host a.button").click();
  await send(page, { "classified-1": "", [`type=${type}`]: "", [`environment=${environment}`]: "" });
  await send(page, { "place-1": "", count, namespace });
  const home = page.url();
  await system(page, home);
  if (environment === "Production") {
    await page.goto(`${home}/project`);
    await send(page, { name: "农情监测一期", "basis-1": "", approval: "廉发改审〔2026〕16号", "review-number-0": "网安评〔2026〕5号", "source-0": "OwnBudget", "percent-0": "100" });
  }
  return submit(page, home, { title });
}

/** One who decides finds it among what waits, reads what it does, and approves. */
export async function approve(browser, post, request, comment) {
  const page = await person(browser, post);
  const here = `/approvals/${TENANT}/${request}`;
  await until(`it waits for ${post}`, async () => {
    await page.goto(`${flags.url}/approvals`);
    return (await page.locator(`a[href='${here}']`).count()) > 0 || (await page.locator("main").innerText()).slice(0, 300);
  });
  await page.locator(`a[href='${here}']`).first().click();
  await page.fill("#comment", comment);
  await shot(page, `decide-${post}-${request}`);
  const before = Number(field("qreq", request, ".spec.decisions").split('"by"').length);
  await page.locator("button[name=outcome][value=Approve]").click();
  await until(`${post} has approved`, async () => field("qreq", request, ".spec.decisions").split('"by"').length > before || page.locator("main").innerText());
  await leave(page.context());
}

/** Whether a request is as far as it should be; else how far, and why. */
export const phase = (request, wanted) => async () => {
  const now = field("qreq", request, ".status.phase");
  return now === wanted || `${now} ${field("qreq", request, ".status.conditions[?(@.type=='Ready')].message")}`;
};

/** The delivery sheet leads in; gives kubectl as the department gets it, for a quarter of an hour. */
export async function wayIn(page, request) {
  await page.goto(`${flags.url}/requests/${TENANT}/${request}`);
  await page.locator("#delivery a.button.primary").first().click();
  await shot(page, `way-in-${request}`);
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator("form button.primary").first().click()]);
  const file = join(flags.shots, `way-in-${flags.lang}.kubeconfig`);
  await download.saveAs(file);
  return `${flags.kubectl.split(" ")[0]} --kubeconfig ${file}`;
}
