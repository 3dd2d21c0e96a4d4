// A province at work, for the pages that need one: a department asks, heads and authorities decide, orders are open, a fault is
// reported. All of it through the portal's own pages and without scripts. Gives every page that there is to look at.

import { errors } from "./errors.mjs";
import { HOSTILE } from "./hostile.mjs";
import { send, signIn } from "./person.mjs";
import { check, context, leave } from "./suite.mjs";

// Names of namespaces are taken for good: another visit of the same province takes others.
const visit = Date.now().toString(36).slice(-5);
const path = (page) => new URL(page.url()).pathname;

/** Somebody on a phone, without scripts. */
async function visitor(browser, url, post) {
  const own = await context(browser, url, { width: 390, scripts: false });
  return signIn(await own.newPage(), url, post);
}

/** Begins an application for a service; gives the address of its first line. */
async function begin(page, url, service) {
  await page.goto(`${url}/catalog`);
  await page.locator(`#service-${service} a.button`).click();
  await send(page, { "classified-1": "", "environment-1": "" });
  return path(page);
}

/** Fills an application and submits it; gives the request's address. */
async function ask(page, url, { service = "cloud-host", title, why = "社保卡换发期间日均办件量由 1.2 万增至 3 万，按峰值 70% 测算。", line, system = { "system=registered:zhihui-renshe": "" } }) {
  await begin(page, url, service);
  await send(page, line);
  const home = page.url();
  await page.goto(`${home}/basics`);
  await send(page, { title, justification: why });
  await page.goto(`${home}/system`);
  await send(page, system);
  await page.goto(`${home}/project`);
  await send(page, { name: "智慧人社二期", "basis-1": "", approval: "湛发改审〔2026〕88号", "review-number-0": "网安评〔2026〕5号", "source-0": "OwnBudget", "percent-0": "60", "source-1": "ProvincialPurchase", "percent-1": "40" });
  await attach(page, home);
  await page.goto(`${home}/check`);
  await page.locator(".submit button.primary").click();
  if (!/^\/requests\/zj-rsj\//.test(path(page))) throw new Error(`${title}: no request: ${page.url()} ${await page.locator("main").innerText()}`);
  return path(page);
}

/** Opens an address until something is there; the operator judges in between. */
async function until(page, address, selector) {
  for (let tries = 0; tries < 60; tries += 1) {
    await page.goto(address);
    if ((await page.locator(selector).count()) > 0) return;
    await page.waitForTimeout(500);
  }
  throw new Error(`${address} has no ${selector}: ${await page.locator("main").innerText()}`);
}

/** One of those who decide does so. */
async function decide(page, url, request, outcome, comment = "") {
  const button = `button[name=outcome][value=${outcome}]`;
  await until(page, `${url}${request.replace("/requests/", "/approvals/")}`, button);
  await page.fill("#comment", comment);
  await page.locator(button).first().click();
  check(`${request}: ${outcome}`, (await page.locator(".alert").count()) === 0, await page.locator("main").innerText());
}

/** A return is answered with a file; its words and the file's name are what nobody should take for more than text. */
async function answer(page, url, request) {
  await until(page, `${url}${request}`, "#answer-files");
  await page.setInputFiles("#answer-files", { name: "测算依据<img src=x onerror=alert(3)>.pdf", mimeType: "application/pdf", buffer: Buffer.from("%PDF-1.7\n") });
  await send(page, { "answer-comment": `已补充日均办件量和测算依据，见附件。${HOSTILE}` }, "#act-answer button[type=submit]");
  await until(page, `${url}${request}`, ".files a");
}

/** A document goes with an application. */
async function attach(page, home) {
  await page.goto(`${home}/files`);
  await page.setInputFiles("#files", { name: "立项批复𠮷.pdf", mimeType: "application/pdf", buffer: Buffer.from("%PDF-1.7\n") });
  await page.locator("form[enctype] button[type=submit]").click();
  check("the wizard: a document is kept with the draft", (await page.locator(".files.kept a").count()) === 1, await page.locator("main").innerText());
}

/** What the wizard says to somebody who fills it wrongly. */
async function wrongly(page, url) {
  const item = await begin(page, url, "cloud-host");
  check("the wizard: leads to the service that was chosen", /\/items\/cloud-host$/.test(item), item);
  await send(page, { "place-1": "", count: "x", namespace: "kuorong" });
  check("the wizard: an error is told at the top", (await page.locator("#errors a").count()) > 0);
  await attach(page, `${url}${item.split("/items/")[0]}`);
  return item;
}

async function report(page, url) {
  await page.goto(`${url}/work-orders/new`);
  await send(page, { tenant: "zj-rsj", platform: "zhanjiang", title: `业务后台间歇性超时${HOSTILE}`, description: `自 9:20 起每十分钟一次，持续约 40 秒，影响社保卡申领。${HOSTILE}` });
  check("a fault is reported", /^\/work-orders\/zj-rsj\//.test(path(page)), await page.locator("main").innerText());
  return path(page);
}

/** The authority announces something to everybody. */
async function announce(page, url) {
  await page.goto(`${url}/bulletins`);
  await send(page, { title: `国庆期间值班安排${HOSTILE}`, body: `10月1日至8日各节点7×24值守，紧急申请走应急开通。${HOSTILE}`, until: new Date(Date.now() + 7 * 864e5).toISOString().slice(0, 10), public: "" });
  check("a bulletin is there", (await page.locator("ol.told li").count()) > 0, await page.locator("main").innerText());
}

/** Makes the province's day. */
async function work(browser, url) {
  const people = {};
  for (const post of ["owner", "head", "approver", "operations"]) people[post] = await visitor(browser, url, post);
  const { owner, head, approver, operations } = people;
  const item = await wrongly(owner, url);
  const fresh = { "system=new": "", id: `shebaoka-${visit}`, name: `社保卡专区${HOSTILE}`, owner: `人社信息化岗${HOSTILE}`, category: "Own", hosting: "Local", mlps: "3" };
  const host = (title, namespace, why) => ask(owner, url, { title, why, line: { "place-1": "", count: "2", namespace: `${namespace}-${visit}` } });
  const made = {
    delivered: await host("智慧人社扩容", "kuorong"),
    waiting: await host("社保卡换发专区", "huanfa"),
    returned: await host(`就业服务上云${HOSTILE}`, "jiuye", HOSTILE),
    answered: await host("社保查询扩容", "chaxun"),
    ordered: await ask(owner, url, { service: "domain", title: "社保卡专区域名", system: fresh, line: { "place-1": "", count: "1", "answer-name": "sbk.zhanjiang.gov.cn" } }),
    fault: await report(owner, url),
    item,
    draft: item.split("/items/")[0],
  };
  for (const request of [made.delivered, made.waiting, made.ordered]) await decide(head, url, request, "Approve", "同意上报");
  await decide(head, url, made.returned, "Return", `请补充就业服务平台的日均办件量和测算依据。${HOSTILE}`);
  await decide(head, url, made.answered, "Return", "请附上测算依据。");
  await answer(owner, url, made.answered);
  for (const request of [made.delivered, made.ordered]) await decide(approver, url, request, "Approve", "同意，节点余量充足");
  await announce(approver, url);
  await until(approver, `${url}/approvals`, ".waiting h2 a");
  await until(owner, `${url}${made.delivered}`, "#delivery a.button.primary");
  await until(operations, `${url}/work-orders`, "tbody tr:nth-child(2)");
  made.orders = await operations.$$eval("tbody th a", (links) => links.map((link) => link.getAttribute("href")));
  await until(owner, `${url}/notifications`, "ol.told a");
  made.platforms = await platforms(approver, url);
  for (const page of Object.values(people)) await leave(page.context());
  return made;
}

/** A platform that is live, one whose connection is lost, one that is only declared. */
async function platforms(page, url) {
  await page.goto(`${url}/`);
  const cards = await page.$$eval(".card", (all) => all.map((card) => ({
    declared: card.classList.contains("declared"),
    lost: card.parentElement.querySelector(".link.lost") !== null,
    href: card.querySelector("h4 a").getAttribute("href"),
  })));
  const first = (which) => cards.find(which)?.href;
  return { live: "/platforms/zhanjiang", declared: first((card) => card.declared), lost: first((card) => card.lost) };
}

/** Pages that show what was typed so that a browser might do it. */
const HOSTILE_PAGES = ["sign-in", "mine", "requests", "bulletins", "my-desk", "my-requests", "my-view", "my-returned", "my-answered", "search-hostile", "systems", "my-orders", "notifications", "work-orders", "fault"];

/**
 * What was made, and every page with whose it is: `{ name, post, href }`, `status` where it is not 200, `arrive` where one comes to it
 * by a form, `hostile` where it shows what a browser must not take for more than text.
 */
export async function province(browser, url) {
  const made = await work(browser, url);
  const pages = everyPage(made).map((page) => ({ ...page, hostile: HOSTILE_PAGES.includes(page.name) }));
  return { made, pages };
}

function everyPage(made) {
  const of = (post, pages) => Object.entries(pages).filter(([, href]) => href).map(([name, href]) => ({ name, post, href }));
  const platforms = Object.fromEntries(Object.entries(made.platforms).map(([name, href]) => [`platform-${name}`, href]));
  return [
    ...of("", { "sign-in": "/sign-in" }),
    ...of("approver", {
      overview: "/",
      mine: "/mine",
      catalog: "/catalog",
      requests: "/requests",
      approvals: "/approvals",
      decide: made.waiting.replace("/requests/", "/approvals/"),
      "decided-request": made.delivered,
      platforms: "/platforms",
      ...platforms,
      "platform-trends": "/platforms/zhanjiang/trends",
      tenants: "/tenants",
      tenant: "/tenants/zj-rsj",
      "tenant-trends": "/tenants/zj-rsj/trends",
      "new-service": "/catalog/services/new",
      "keep-service": "/catalog/services/cloud-host/keep",
      members: "/tenants/zj-rsj/members",
      bulletins: "/bulletins",
      windows: "/windows",
      search: "/search?q=zj",
      "search-nothing": "/search?q=qqq",
      "search-hostile": `/search?q=${encodeURIComponent(HOSTILE)}`,
      costs: "/costs",
    }),
    { name: "no-page", post: "approver", href: "/platforms/there-is-no-such-platform", status: 404 },
    ...of("owner", {
      "my-desk": "/mine",
      "my-requests": "/requests",
      "my-view": `/requests?columns=phase,clock&view-wrong=exists&view-name=${encodeURIComponent(HOSTILE)}`,
      "my-request": made.waiting,
      "my-returned": made.returned,
      "my-answered": made.answered,
      "my-delivered": made.delivered,
      "my-unit": "/tenants/zj-rsj",
      "way-in": "/tenants/zj-rsj/grants/extranet/way-in",
      new: "/requests/new",
      tasks: made.draft,
      service: `${made.draft}/items/new`,
      item: made.item,
      "item-wrong": `${made.item}?check=1`,
      basics: `${made.draft}/basics`,
      system: `${made.draft}/system`,
      project: `${made.draft}/project?check=1`,
      files: `${made.draft}/files`,
      check: `${made.draft}/check`,
      systems: "/systems",
      "one-system": "/tenants/zj-rsj/systems/zhihui-renshe",
      report: "/work-orders/new",
      "my-orders": "/work-orders",
      notifications: "/notifications",
      sessions: "/sessions",
      tokens: "/tokens",
      api: "/api",
      "step-up": "/sign-in/again?next=/",
    }),
    ...of("operations", { "product-catalog": "/catalog", "new-product": "/catalog/products/new?offering=cloud-host", "keep-product": "/catalog/products/zhanjiang-cloud-host/keep", "work-orders": "/work-orders", "work-order": made.orders.find((href) => href !== made.fault), fault: made.fault }),
    ...of("administrator", { "desk-of-the-province": "/mine" }),
    ...of("auditor", { "send-log": "/notifications/log", audit: "/audit", "audit-of-sign-ins": "/audit?verb=sign-in" }),
    ...errors(made),
  ];
}
