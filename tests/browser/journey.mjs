// A request's whole way, as people go it: a county's department asks on a phone, its head, the county's authority and the
// city's decide, the operator opens it, the department gets in, works within its quota, confirms and rates; the auditor
// reads who decided. Then an exception on a platform that was frozen meanwhile, which ends at the province.
// `cargo test --test journeys` runs it once in each language.
//
//   node tests/browser/journey.mjs --url http://127.0.0.1:8080 --kubectl "kubectl --kubeconfig …" --lang zh

import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { send, signIn } from "./person.mjs";

const { values: flags } = parseArgs({
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
const TENANT = "lianjiang-nyj";
const SPACE = `qp-${TENANT}`;
/** Names differ between the languages, so that both ways can be gone in one province. */
const NAME = flags.lang === "zh" ? "nongqing" : "harvest";
let passed = 0;

function ensure(good, what, detail = "") {
  if (!good) throw new Error(`${what}${detail ? `: ${detail}` : ""}`);
  passed += 1;
  console.log(`  ${what}`);
}

function run(program, args, input) {
  const [name, ...first] = program.split(" ");
  try {
    return [0, execFileSync(name, [...first, ...args], { input, encoding: "utf8", stdio: ["pipe", "pipe", "pipe"] })];
  } catch (error) {
    return [error.status ?? 1, `${error.stdout}${error.stderr}`];
  }
}

const kubectl = (...args) => run(flags.kubectl, args)[1].trim();
const field = (kind, name, path) => kubectl("get", `${kind}.qipan.dev`, "-n", SPACE, name, "-o", `jsonpath={${path}}`);

async function until(what, look, patience = 60) {
  let last = "";
  for (let tries = 0; tries < patience * 2; tries += 1) {
    last = await look();
    if (last === true) return ensure(true, what);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new Error(`${what}: not after ${patience} s; last: ${last}`);
}

/** Somebody at a device of their own, in the language of this run. */
async function person(browser, post, phone = true) {
  const viewport = phone ? { width: 390, height: 844 } : { width: 1280, height: 900 };
  const context = await browser.newContext({ viewport, acceptDownloads: true });
  const page = await context.newPage();
  await page.goto(`${flags.url}/sign-in?lang=${flags.lang}`);
  return signIn(page, flags.url, post);
}

async function shot(page, name) {
  await page.screenshot({ path: join(flags.shots, `journey-${flags.lang}-${name}.png`), fullPage: true });
}

/** Through the wizard; gives the request's name. */
async function ask(page, { type, title, count, namespace }) {
  await page.goto(`${flags.url}/catalog`);
  await page.locator("#service-cloud-host a.button").click();
  const first = { "classified-1": "", "environment-1": "" };
  if (type) first[`type=${type}`] = "";
  await send(page, first);
  await send(page, { "place-1": "", count, namespace });
  const home = page.url();
  await page.goto(`${home}/basics`);
  await send(page, { title, justification: "秋收期间日均上报由 300 条增至 2 000 条，按峰值七成测算。" });
  await page.goto(`${home}/system`);
  const registered = page.locator("input[name=system][value^='registered:']");
  if ((await registered.count()) > 0) await send(page, { "system-1": "" });
  else {
    const fresh = (await page.locator("input[name=system]").count()) - 1;
    await send(page, { [`system-${fresh}`]: "", id: "nongqing-jiance", name: "农情监测", owner: "农业信息化岗", category: "Own", hosting: "Local", mlps: "2" });
  }
  await page.goto(`${home}/project`);
  await send(page, { name: "农情监测一期", "basis-1": "", approval: "廉发改审〔2026〕16号", "review-number-0": "网安评〔2026〕5号", "source-0": "OwnBudget", "percent-0": "100" });
  await page.goto(`${home}/check`);
  ensure((await page.locator("#errors").count()) === 0, "the answers are complete", await page.locator("main").innerText());
  await shot(page, `check-${namespace}`);
  await page.locator(".submit button.primary").click();
  const path = new URL(page.url()).pathname;
  ensure(path.startsWith(`/requests/${TENANT}/`), "the request is submitted", `${path} ${await page.locator("main").innerText()}`);
  return path.split("/").pop().split("?")[0];
}

/** One who decides finds it among what waits, reads what it does, and approves. */
async function approve(browser, post, request, comment) {
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
  await page.context().close();
}

const phase = (request, wanted) => async () => {
  const now = field("qreq", request, ".status.phase");
  return now === wanted || `${now} ${field("qreq", request, ".status.conditions[?(@.type=='Ready')].message")}`;
};

const POD = (name, cpu) => JSON.stringify({
  apiVersion: "v1", kind: "Pod", metadata: { name },
  spec: {
    securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } },
    containers: [{
      name: "main", image: "none",
      resources: { requests: { cpu, memory: "64Mi" }, limits: { cpu, memory: "64Mi" } },
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
    }],
  },
});

/** The delivery sheet leads in; what is done there stays within the quota. */
async function enter(page, request) {
  await page.goto(`${flags.url}/requests/${TENANT}/${request}`);
  await shot(page, `delivered-${request}`);
  await page.locator("#delivery a.button.primary").first().click();
  await shot(page, `way-in-${request}`);
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator("form button.primary").first().click()]);
  const file = join(flags.shots, `way-in-${flags.lang}.kubeconfig`);
  await download.saveAs(file);
  const own = `${flags.kubectl.split(" ")[0]} --kubeconfig ${file}`;
  const [made, said] = run(own, ["apply", "-f", "-"], POD("erste", "2"));
  ensure(made === 0, "a pod is admitted", said);
  const [over, refusal] = run(own, ["apply", "-f", "-"], POD("zuviel", "64"));
  ensure(over !== 0 && /exceeded quota/.test(refusal), "a pod too many is refused", refusal);
  const [secrets, no] = run(own, ["get", "pods", "-n", "kube-system"]);
  ensure(secrets !== 0 && /forbidden/i.test(no), "nothing else is open", no);
  writeFileSync(file, "");
}

async function act(page, request, code, values) {
  await page.goto(`${flags.url}/requests/${TENANT}/${request}`);
  const box = page.locator(`#act-${code}`);
  if (!(await box.evaluate((element) => element.open))) await box.locator("summary").click();
  await send(page, values, `#act-${code} button[type=submit]`);
}

async function production(browser) {
  const page = await person(browser, "county");
  const request = await ask(page, { title: flags.lang === "zh" ? "农情监测上云" : "Harvest reports", count: "1", namespace: NAME });
  await until("its capacity is held and its head decides", async () => {
    const stage = field("qreq", request, ".status.stage");
    return stage === "UnitHead" || `${stage} ${field("qreq", request, ".status.conditions[?(@.type=='Ready')].message")}`;
  });
  await approve(browser, "county-head", request, "同意上报");
  await approve(browser, "county-authority", request, "符合县级规划");
  await approve(browser, "approver", request, "同意，节点余量充足");
  await until("it is delivered", phase(request, "Delivered"), 120);
  await enter(page, request);
  await act(page, request, "accept", { "accept-accepted-1": "" });
  await until("it is accepted", phase(request, "Accepted"));
  await act(page, request, "rate", { "rate-stars-1": "" });
  await until("it is rated", async () => field("qreq", request, ".spec.rating[0].stars") !== "" || page.locator("main").innerText());
  await shot(page, `accepted-${request}`);
  await page.context().close();
  return request;
}

/** The node is frozen; more of it takes an exception, and the province decides last. */
async function exception(browser) {
  kubectl("patch", "cloudplatform.qipan.dev", "zhanjiang", "--type=merge", "-p", '{"spec":{"expansion":"Frozen"}}');
  try {
    const page = await person(browser, "county");
    const request = await ask(page, { type: "Exception", title: "农情监测扩容（例外）", count: "1", namespace: `${NAME}-x` });
    await approve(browser, "county-head", request, "确需在节点扩容");
    await approve(browser, "county-authority", request, "同意上报");
    await approve(browser, "approver", request, "同意上报省级");
    await approve(browser, "administrator", request, "批准例外，半年内迁出");
    await until("the exception is delivered on the frozen platform", phase(request, "Delivered"), 120);
    await page.context().close();
  } finally {
    kubectl("patch", "cloudplatform.qipan.dev", "zhanjiang", "--type=merge", "-p", '{"spec":{"expansion":"Open"}}');
  }
}

/** Who decided is a row of the ledger each. */
async function audited(browser, request) {
  const page = await person(browser, "auditor", false);
  await until("the ledger names everybody who decided", async () => {
    await page.goto(`${flags.url}/audit?name=${request}`);
    const text = await page.locator("main").innerText();
    const missing = ["lj-nyj-owner", "lj-nyj-head", "lj-approver", "cs-approver"].filter((who) => !text.includes(who));
    return missing.length === 0 || `missing ${missing}`;
  });
  await shot(page, `audit-${request}`);
  await page.context().close();
}

const browser = await chromium.launch({
  executablePath: flags.chromium,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  const request = await production(browser);
  await audited(browser, request);
  await exception(browser);
} finally {
  await browser.close();
}
console.log(`${passed} passed, 0 failed`);
