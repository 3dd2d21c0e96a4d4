// What goes wrong at a desk: the session ends in the middle of an application, somebody clicks twice, goes back, or has the same page
// open twice. Nothing typed is lost, and nothing is done twice.

import { execFileSync } from "node:child_process";
import { led, send, signIn } from "./person.mjs";
import { check, context, leave } from "./suite.mjs";

const path = (page) => new URL(page.url()).pathname;
const main = (page) => page.locator("main").innerText();
const visit = Date.now().toString(36).slice(-5);
const WHY = "秋收期间日均上报由 300 条增至 2 000 条 <b>按峰值七成</b> 测算。\n第二行 𠮷。";

async function person(browser, url, post) {
  const own = await context(browser, url);
  return signIn(await own.newPage(), url, post);
}

/** The requests of a title that there are, as the hub has them. */
function stored(kubectl, title) {
  const [program, ...words] = kubectl.split(" ");
  const text = execFileSync(program, [...words, "get", "resourcerequests", "-A", "-o", "json"], { encoding: "utf8", maxBuffer: 64e6 });
  return JSON.parse(text).items.filter((request) => request.spec.application.title === title);
}

/** Begins an application and fills its line; gives the address of the draft. */
async function begin(page, url, namespace) {
  await page.goto(`${url}/catalog`);
  await page.locator("#service-cloud-host a.button").click();
  await send(page, { "classified-1": "", "environment-1": "" });
  await send(page, { "place-1": "", count: "7", namespace });
  return path(page);
}

const PROJECT = { name: "农情监测一期", "basis-1": "", approval: "廉发改审〔2026〕17号", "review-number-0": "网安评〔2026〕6号", "source-0": "OwnBudget", "percent-0": "100" };

/** The session is ended elsewhere while a step is written: it is given back on the page that says so, and the draft has the rest. */
async function lost(browser, { url }) {
  const page = await person(browser, url, "county");
  const home = await begin(page, url, `diu-${visit}`);
  await page.goto(`${url}${home}/basics`);
  await page.fill("#title", "农情监测");
  await page.fill("#justification", WHY);
  const elsewhere = await person(browser, url, "county");
  await elsewhere.goto(`${url}/sessions`);
  await led(elsewhere, () => elsewhere.locator("button[value=others]").click());
  await leave(elsewhere.context());
  const answer = await led(page, () => page.click("form.pane button.primary"));
  check("a lost session: the form says so", answer.status() === 401, `${answer.status()} ${page.url()}`);
  const typed = await page.$$eval("section[aria-labelledby=typed] textarea", (texts) => texts.map((text) => text.value));
  check("a lost session: what was typed stands there", typed.includes("农情监测") && typed.includes(WHY), JSON.stringify(typed));
  const [again] = await Promise.all([page.waitForEvent("popup"), page.click("main a.primary")]);
  await again.waitForLoadState();
  await again.check("#post-county");
  await led(again, () => again.click("main form button.primary"));
  check("a lost session: signing in leads back to the step", path(again) === `${home}/basics`, again.url());
  await send(again, { title: typed[0], justification: typed[1] });
  await again.goto(`${url}${home}/basics`);
  check("a lost session: it can be typed again and is kept", (await again.inputValue("#justification")).replaceAll("\r", "") === WHY, await again.inputValue("#justification"));
  await again.goto(`${url}${home}/items/cloud-host`);
  check("a lost session: the draft has what was saved before",
    (await again.inputValue("#count")) === "7" && (await again.inputValue("#namespace")) === `diu-${visit}` && (await again.isChecked("#place-1")));
  await leave(again);
  return page;
}

/** Two tabs have the same step: the second is told, keeps what was typed, and may save it all the same. */
async function twoTabs(page, { url }, home) {
  const other = await page.context().newPage();
  for (const tab of [page, other]) await tab.goto(`${url}${home}/basics`);
  await send(page, { title: "第一页", justification: WHY });
  const answer = await led(other, () => send(other, { title: "第二页", justification: WHY }));
  check("two tabs: the second is told", answer.status() === 409 && (await other.locator("[role=alert]").count()) > 0, `${answer.status()} ${await main(other)}`);
  check("two tabs: what the second typed stands", (await other.inputValue("#title")) === "第二页");
  await page.goto(`${url}${home}/basics`);
  check("two tabs: nothing was written over", (await page.inputValue("#title")) === "第一页");
  await leave(other);
}

/** A page that is checked is overtaken by another tab, then submitted by two clicks, then gone back to. */
async function submit(page, settings) {
  const { url, kubectl } = settings;
  const title = `重复提交-${visit}`;
  const home = await begin(page, url, `chongfu-${visit}`);
  await twoTabs(page, settings, home);
  await page.goto(`${url}${home}/basics`);
  await send(page, { title, justification: WHY });
  await page.goto(`${url}${home}/system`);
  const systems = await page.locator("input[name=system]").count();
  await page.locator("input[name=system]").nth(systems - 1).check();
  await led(page, () => page.click("form.pane button.primary"));
  await page.goto(`${url}${home}/project`);
  await send(page, PROJECT);
  await page.goto(`${url}${home}/check`);
  const other = await page.context().newPage();
  await other.goto(`${url}${home}/items/cloud-host`);
  await led(other, () => send(other, { count: "2" }));
  await leave(other);
  const stale = await led(page, () => page.click(".submit button.primary"));
  check("a check that was overtaken is not submitted", stale.status() === 409 && stored(kubectl, title).length === 0, `${stale.status()} ${await main(page)}`);
  await page.goto(`${url}${home}/check`);
  await page.dblclick(".submit button.primary");
  await page.waitForURL(/\/requests\/lianjiang-nyj\//);
  const request = path(page);
  check("two clicks: one request", stored(kubectl, title).length === 1, JSON.stringify(stored(kubectl, title).map((r) => r.metadata.name)));
  const back = await page.goBack();
  check("back: the draft is a request by now, and it is said", back?.status() === 404 || path(page) === request, `${back?.status()} ${page.url()} ${await main(page)}`);
  await resent(page, settings, `${home}/check`, request);
  return { title, request };
}

/** The form that was sent before is sent once more, as the button "send again" of a browser does. */
async function resent(page, { url, kubectl }, check_, request) {
  await page.goto(`${url}/requests`);
  await page.setContent(`<form method="post" action="${url}${check_}"><input name="token" value="x"><input name="revision" value="1"></form>`);
  await led(page, () => page.evaluate(() => document.forms[0].submit()));
  check("the form once more: it leads to the one request", path(page) === request, `${page.url()}`);
}

/** Of two tabs with the same decision one decides; two clicks are one decision; going back shows what was decided. */
async function decision(browser, { url, kubectl }, { title, request }) {
  const page = await person(browser, url, "county-head");
  const here = request.replace("/requests/", "/approvals/");
  const approve = "button[name=outcome][value=Approve]";
  for (let tries = 0; tries < 60 && (await page.locator(approve).count()) === 0; tries += 1) {
    await page.goto(`${url}${here}`);
    await page.waitForTimeout(500);
  }
  const other = await page.context().newPage();
  await other.goto(`${url}${here}`);
  await page.fill("#comment", "同意上报");
  await page.dblclick(approve);
  await page.waitForURL(/\/approvals/);
  await page.waitForLoadState();
  const decisions = () => stored(kubectl, title)[0].spec.decisions ?? [];
  for (let tries = 0; tries < 20 && decisions().length === 0; tries += 1) await page.waitForTimeout(250);
  check("two clicks: one decision", decisions().length === 1, JSON.stringify(decisions()));
  const answer = await led(other, () => send(other, { comment: "资料不全" }, "button[name=outcome][value=Reject]"));
  check("a decision that was overtaken is told", [409, 422].includes(answer.status()) && (await other.locator("[role=alert]").count()) > 0, `${answer.status()} ${await main(other)}`);
  check("a decision that was overtaken is not written", decisions().length === 1, JSON.stringify(decisions()));
  await page.goto(`${url}/requests`);
  await page.goto(`${url}${here}`);
  await page.goto(`${url}/requests`);
  await page.goBack();
  check("back to a decision: there is nothing to decide", (await page.locator(approve).count()) === 0, await main(page));
  await leave(page.context());
}

/** All of them, one after another: each is a story of its own. */
export async function mishaps(browser, settings) {
  if (!settings.kubectl) return;
  const page = await lost(browser, settings);
  await decision(browser, settings, await submit(page, settings));
  await leave(page.context());
}
