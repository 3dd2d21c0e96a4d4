// The portal by keyboard alone: nothing here clicks or moves a pointer.
//
// On every page Tab stops at everything that can be used, in the order in which it is read, and each stop is seen: outlined
// in a colour that differs from what is around it, within the window. Menus open and close. Then two whole tasks: a department
// asks, and its head decides.

import { open } from "./person.mjs";
import { check, context, inParallel, leave } from "./suite.mjs";

/** WCAG 2.2, 1.4.11: what shows the focus stands out from what is beside it by this much. */
const CONTRAST = 3;

/** Runs in the page: numbers what Tab should stop at, and notes each stop as it comes. */
function watch() {
  const shown = (element) => element.getClientRects().length > 0 && getComputedStyle(element).visibility !== "hidden" && !element.closest("details:not([open]) > :not(summary)");
  const usable = "a[href], button:not([disabled]), input:not([type=hidden]):not([disabled]), select:not([disabled]), textarea:not([disabled]), summary, [tabindex='0']";
  const all = [...document.querySelectorAll(usable)].filter(shown);
  // A group of radio buttons is one stop: at the chosen one, else at its first.
  const groups = new Map();
  for (const radio of all.filter((element) => element.type === "radio")) {
    const key = `${radio.form?.action} ${radio.name}`;
    if (!groups.has(key) || radio.checked) groups.set(key, radio);
  }
  const stops = all.filter((element) => element.type !== "radio" || [...groups.values()].includes(element));
  const rgb = (text) => (text.match(/[\d.]+/g) ?? []).map(Number);
  const light = (text) => {
    const [r, g, b] = rgb(text).slice(0, 3).map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (rgb(colour).length === 3 || rgb(colour)[3] > 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  window.seenStops = [];
  document.addEventListener("focusin", ({ target }) => {
    const style = getComputedStyle(target);
    const [a, b] = [light(style.outlineColor), light(ground(target.parentElement ?? target))];
    const box = target.getBoundingClientRect();
    const at = document.elementFromPoint(Math.max(1, box.left) + 1, Math.min(Math.max(box.top, 1) + 1, innerHeight - 2));
    window.seenStops.push({
      stop: stops.indexOf(target),
      what: target.outerHTML.slice(0, 110),
      outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
      contrast: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05),
      inside: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
      covered: Boolean(at && at !== target && !target.contains(at) && at.closest("header.top") && !target.closest("header.top")),
    });
  });
  return stops.map((element) => element.outerHTML.slice(0, 110));
}

/** Tabs through a page from its beginning to its end. */
export async function tour(page, name) {
  const stops = await page.evaluate(watch);
  // A day is three stops, and what scrolls is one that no element is written for; a trap would not come to the last stop.
  const days = await page.locator("input[type=date]").count();
  for (let count = 0; count <= stops.length + 3 * days; count += 1) await page.keyboard.press("Tab");
  for (let count = 0; count < 30 && !(await page.evaluate((last) => window.seenStops.some(({ stop }) => stop === last), stops.length - 1)); count += 1) await page.keyboard.press("Tab");
  const seen = await page.evaluate(() => window.seenStops);
  const order = seen.map(({ stop }) => stop).filter((stop) => stop >= 0);
  const missed = stops.filter((_, index) => !order.includes(index));
  check(`by keyboard: ${name}: Tab reaches everything`, missed.length === 0, missed.join("\n  "));
  const once = order.slice(0, stops.length);
  const back = once.findIndex((stop, index) => index > 0 && stop < once[index - 1]);
  check(`by keyboard: ${name}: in the order in which it is read`, back < 0, `${stops[once[back]]} comes after ${stops[once[back - 1]]}`);
  const faint = seen.filter((one) => one.outline < 2 || one.contrast < CONTRAST);
  check(`by keyboard: ${name}: each stop is seen`, faint.length === 0, faint.map((one) => `${one.outline} px, ${one.contrast.toFixed(2)}:1 ${one.what}`).join("\n  "));
  const lost = seen.filter((one) => !one.inside || one.covered);
  check(`by keyboard: ${name}: each stop is within the window and covered by nothing`, lost.length === 0, lost.map((one) => one.what).join("\n  "));
}

/** Every page, in every theme and at both widths in turn. */
export async function everyPage(browser, pages, people, { url }) {
  const looks = ["light", "dark", "care"].flatMap((theme) => [1280, 390].map((width) => ({ theme, width })));
  const jobs = pages.map((one, index) => async () => {
    const look = looks[index % looks.length];
    const own = await context(browser, url, { ...look, cookies: people[one.post] });
    const page = await own.newPage();
    await open(page, one, url);
    await tour(page, `${one.name} ${look.theme}-${look.width}`);
    await leave(own);
  });
  await inParallel(jobs);
}

const active = (page, of) => page.evaluate(of);

/** Presses Tab until the focus is on what is looked for. */
export async function reach(page, selector) {
  for (let presses = 0; presses < 250; presses += 1) {
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted), selector)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab never reaches ${selector} on ${page.url()}`);
}

/** Presses a key of something that leads to another page. */
export async function lead(page, selector, key = "Enter") {
  await reach(page, selector);
  await Promise.all([page.waitForEvent("load"), page.keyboard.press(key)]);
}

/** Fills fields by typing and by arrows. A key is a field's id, or `name=value` of a choice; for a list its value. */
async function fill(page, values) {
  for (const [key, value] of Object.entries(values)) {
    const [name, choice] = key.split("=");
    const wanted = choice === undefined ? `#${name}` : `input[name='${name}'][value='${choice}']`;
    const kind = await page.$eval(wanted, (field) => (field.tagName === "SELECT" ? "select" : field.type));
    if (kind === "radio") await radio(page, wanted);
    else if (kind === "select") await list(page, wanted, value);
    else {
      await reach(page, wanted);
      await page.keyboard.press("Control+a");
      await page.keyboard.insertText(value);
    }
  }
}

async function radio(page, wanted) {
  const name = await page.$eval(wanted, (field) => field.name);
  await reach(page, `input[name='${name}']`);
  for (let presses = 0; presses < 40; presses += 1) {
    if (await page.evaluate((selector) => document.activeElement.matches(selector), wanted)) break;
    await page.keyboard.press("ArrowDown");
  }
  await page.keyboard.press("Space");
  check(`by keyboard: ${wanted} is chosen`, await page.$eval(wanted, (field) => field.checked));
}

async function list(page, wanted, value) {
  await reach(page, wanted);
  for (let presses = 0; presses < 60; presses += 1) {
    if ((await page.$eval(wanted, (field) => field.value)) === value) return;
    await page.keyboard.press("ArrowDown");
  }
  throw new Error(`no arrow leads to ${value} of ${wanted}`);
}

const SEND = "main form.pane button.primary, main form button.primary";

async function fillAndSend(page, values) {
  await fill(page, values);
  await lead(page, SEND);
}

/** Somebody signs in by keys alone. */
async function enter(browser, url, post) {
  const own = await context(browser, url);
  const page = await own.newPage();
  await page.goto(`${url}/sign-in?next=/`);
  await radio(page, `#post-${post}`);
  await lead(page, "main form button.primary");
  check(`by keyboard: ${post} has signed in`, new URL(page.url()).pathname === "/");
  return page;
}

/** Signs everybody in who has a page, by keys alone; gives their cookies. */
export async function cookies(browser, url, pages) {
  const found = { "": [] };
  for (const post of new Set(pages.map((page) => page.post))) {
    if (post === "") continue;
    const own = (await enter(browser, url, post)).context();
    found[post] = (await own.cookies()).filter((cookie) => !/^qipan_(lang|theme)$/.test(cookie.name));
    await leave(own);
  }
  return found;
}

/** The first stop skips to the content; menus open with Enter and with Space, and Escape gives the focus back. */
export async function around(browser, { url }) {
  const page = await enter(browser, url, "approver");
  await page.goto(`${url}/`);
  await page.keyboard.press("Tab");
  check("by keyboard: the first stop skips to the content", (await active(page, () => document.activeElement.className)) === "skip");
  await page.keyboard.press("Enter");
  check("by keyboard: skipping moves the focus", (await active(page, () => document.activeElement.id)) === "main");
  for (const key of ["Enter", "Space"]) {
    await reach(page, ".menu.person > summary");
    await page.keyboard.press(key);
    check(`by keyboard: ${key} opens a menu`, await page.$eval(".menu.person", (menu) => menu.open));
    await page.keyboard.press("Tab");
    check("by keyboard: Tab goes into the menu", await active(page, () => document.activeElement.closest(".menu.person .sheet") !== null));
    await page.keyboard.press("Escape");
    check("by keyboard: Escape closes the menu", !(await page.$eval(".menu.person", (menu) => menu.open)));
    check("by keyboard: Escape gives the focus back", await active(page, () => document.activeElement.matches(".menu.person > summary")));
  }
  await page.keyboard.press("Control+k");
  check("by keyboard: Ctrl+K goes to the search", (await active(page, () => document.activeElement.id)) === "find");
  await page.keyboard.type("zj");
  await Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]);
  check("by keyboard: Enter searches", new URL(page.url()).pathname === "/search");
  await leave(page.context());
}

/** The keys of a list, which mean something only within it. */
export async function lists(browser, { url }) {
  const page = await enter(browser, url, "approver");
  await page.goto(`${url}/tenants`);
  const href = () => active(page, () => document.activeElement.getAttribute("href"));
  await page.keyboard.press("j");
  check("by keyboard: outside a list j is a letter", (await href()) === null);
  await reach(page, "#list tbody th a");
  const rows = await page.$$eval("#list tbody th a", (links) => links.map((link) => link.getAttribute("href")));
  await page.keyboard.press("j");
  check("by keyboard: j goes to the next row", (await href()) === rows[1]);
  await page.keyboard.press("k");
  check("by keyboard: k goes back", (await href()) === rows[0]);
  await page.keyboard.press("Shift+?");
  check("by keyboard: ? shows the keys", await page.$eval("#keys", (keys) => keys.open));
  await reach(page, "#list tbody th a");
  await page.keyboard.press("/");
  check("by keyboard: / goes to the filter", (await active(page, () => document.activeElement.id)) === "q");
  await reach(page, "#list tbody th a");
  await page.keyboard.press("j");
  await Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]);
  check("by keyboard: Enter opens the row", new URL(page.url()).pathname === rows[1]);
  await leave(page.context());
}

/** A department asks: from the catalog to the request. Gives its address. */
async function ask(browser, url) {
  const page = await enter(browser, url, "owner");
  await lead(page, "nav.rail-list a[href='/catalog']");
  await lead(page, "#service-cloud-host a.button");
  await fillAndSend(page, { "classified-1": "", "environment-1": "" });
  await fill(page, { "place-1": "", count: "1", namespace: `jianpan-${Date.now().toString(36).slice(-5)}` });
  const shown = await page.waitForSelector("#preview table", { timeout: 5000 }).then(() => true, () => false);
  check("live: what is typed is shown in its effect", shown);
  await lead(page, SEND);
  const home = new URL(page.url()).pathname.split("/").slice(0, 3).join("/");
  const step = async (name) => {
    // "Save and go on" leads to what is open next, which may be this already.
    if (new URL(page.url()).pathname !== `${home}/${name}`) await lead(page, `main a[href='${home}/${name}']`);
  };
  await step("basics");
  await fillAndSend(page, { title: "键盘申请", justification: "夜间批量核对社保卡数据，每晚两小时，按峰值 70% 测算。" });
  await step("system");
  await fillAndSend(page, { "system=registered:zhihui-renshe": "" });
  await step("project");
  await fillAndSend(page, { name: "智慧人社三期", "basis-1": "", approval: "湛发改审〔2026〕90号", "review-number-0": "网安评〔2026〕5号", "source-0": "OwnBudget", "percent-0": "100" });
  await step("check");
  check("by keyboard: the answers are complete", (await page.locator("#errors").count()) === 0, await page.locator("main").innerText());
  await lead(page, ".submit button.primary");
  const request = new URL(page.url()).pathname;
  check("by keyboard: the request is submitted", /^\/requests\/zj-rsj\//.test(request), await page.locator("main").innerText());
  await leave(page.context());
  return request;
}

/** The unit's head finds it among what waits, and approves. */
async function decide(browser, url, request) {
  const page = await enter(browser, url, "head");
  const here = request.replace("/requests/", "/approvals/");
  for (let tries = 0; tries < 60 && (await page.locator(`h2 a[href='${here}']`).count()) === 0; tries += 1) {
    await page.waitForTimeout(500);
    await page.goto(`${url}/approvals`);
  }
  await lead(page, `h2 a[href='${here}']`);
  await fill(page, { comment: "同意上报" });
  await lead(page, "button[name=outcome][value=Approve]");
  check("by keyboard: the head has approved", (await page.locator(".alert").count()) === 0 && (await page.locator(".banner.good").count()) > 0, await page.locator("main").innerText());
  await leave(page.context());
}

/** A whole task of each side. */
export async function tasks(browser, { url }) {
  await decide(browser, url, await ask(browser, url));
}
