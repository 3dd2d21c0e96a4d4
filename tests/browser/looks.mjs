// How the pages look: accessibility, policy, layout, language and theme, in every language, theme and width.
//
// Each page is drawn in each language and theme, and measured and judged at both widths, with everything opened that is folded.
// Axe has every rule of its default (levels A and AA of WCAG 2.0 and 2.1, good practice) and those of WCAG 2.2 AA, which it
// leaves off by itself. With `--shots` pictures are taken.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { alive } from "./hostile.mjs";
import { open } from "./person.mjs";
import { check, context, inParallel, leave } from "./suite.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const LANGUAGES = ["zh", "en"];
const THEMES = ["light", "dark", "care"];
const WIDTHS = [1280, 390];
/** Every language in every theme. */
const LOOKS = LANGUAGES.flatMap((lang) => THEMES.map((theme) => ({ lang, theme })));

/** What a browser complains of, kept with the page; a dialog is one of those, for no page of ours has any. */
export async function listen(page) {
  const complaints = [];
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => {
    complaints.push(`${dialog.type()}: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.exposeFunction("toldOfPolicy", (what) => complaints.push(what));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => window.toldOfPolicy(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  return complaints;
}

/** Nothing was complained of, but that the page has the status that it is to have. */
export function quiet(complaints, name, status = 200) {
  const told = complaints.splice(0).filter((text) => status < 400 || !text.includes(`status of ${status} `));
  check(`${name}: nothing to complain in the console, no policy violated`, told.length === 0, told.join(" | "));
}

/** Opens what is folded, but the menus, which would lie over the page: those are judged by themselves. */
const unfold = () => document.querySelectorAll("details:not(.menu):not([open])").forEach((details) => { details.open = true; });

/** Axe on the page as it stands; no rule that it has on, and no element, is left out. */
async function axe(page) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(AXE);
  return page.evaluate(async () => {
    const added = window.axe.getRules(["wcag22a", "wcag22aa"]).map((rule) => [rule.ruleId, { enabled: true }]);
    const { violations } = await window.axe.run(document, { rules: Object.fromEntries(added), resultTypes: ["violations"] });
    return violations.map((v) => `${v.id} (${v.nodes.length}): ${v.nodes[0].html.slice(0, 160)} ${v.nodes[0].failureSummary}`);
  });
}

async function judge(page, name) {
  const told = await axe(page);
  check(`${name}: no accessibility violation`, told.length === 0, told.join("\n  "));
}

async function fits(page, name) {
  const { wide, what } = await page.evaluate(() => {
    const edge = document.documentElement.clientWidth;
    // The innermost that reach over the edge; what scrolls within itself does not widen the page.
    const over = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > edge + 1 && !e.closest(".scroll"));
    const what = over.filter((e) => !over.some((other) => other !== e && e.contains(other))).map((e) => e.outerHTML.slice(0, 160));
    return { wide: document.documentElement.scrollWidth - edge, what: what.slice(0, 3).join("\n  ") };
  });
  check(`${name}: no sideways scrolling`, wide <= 0, `${wide} px too wide: ${what}`);
}

/** The page as it stands, with everything open, at some widths: nothing of it came from what somebody typed, it fits, axe has nothing to say. */
export async function judgeAt(page, name, widths, pictures = "") {
  const made = await page.evaluate(alive);
  check(`${name}: what was typed is text`, made.length === 0, made.join("\n  "));
  await page.evaluate(unfold);
  for (const width of widths) {
    await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
    await fits(page, `${name}-${width}`);
    await judge(page, `${name}-${width}`);
    if (pictures) await page.screenshot({ path: join(pictures, `${name.replaceAll(" ", "-")}-${width}.png`), fullPage: true });
  }
}

/** What a page leads to and is made of: links, and the addresses of its scripts, styles, regions and live updates. */
export const leads = () => [...document.querySelectorAll("a[href], link[href], script[src], [hx-get], [sse-connect]")]
  .map((element) => element.getAttribute("href") ?? element.getAttribute("src") ?? element.getAttribute("hx-get") ?? element.getAttribute("sse-connect"))
  .filter((address) => address.startsWith("/"));

/** One page in one language and theme, at both widths. */
async function look(page, one, look, settings) {
  const { name, href, status = 200, hostile } = one;
  const answer = await open(page, one, settings.url, look);
  const where = `${name} ${look.lang}-${look.theme}`;
  check(`${where}: answers ${status}`, answer.status() === status && new URL(page.url()).pathname === href.split("?")[0], `${answer.status()} ${page.url()}`);
  check(`${where}: in the language and theme that were chosen`,
    (await page.getAttribute("html", "lang")).startsWith(look.lang) && (await page.getAttribute("html", "data-theme")) === look.theme);
  await judgeAt(page, where, WIDTHS, settings.shots);
  if (hostile) check(`${where}: shows what was typed`, (await page.content()).includes("onerror=alert"));
  return page.evaluate(leads);
}

/** The menus, opened: they are the same on every page. */
async function menus(page, { lang, theme }, settings) {
  for (const [width, menu] of [[1280, "person"], [390, "person"], [390, "narrow"]]) {
    await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
    await page.goto(`${settings.url}/`);
    await page.click(`.menu.${menu} summary`);
    await judge(page, `open menu ${menu} ${lang}-${theme}-${width}`);
    if (settings.shots) await page.screenshot({ path: join(settings.shots, `menu-${menu}-${lang}-${theme}-${width}.png`) });
  }
}

/** Somebody's pages in one look, one after another; gives the addresses that they lead to. */
async function inLook(browser, pages, cookies, chosen, settings) {
  const own = await context(browser, settings.url, { ...chosen, cookies });
  const page = await own.newPage();
  const complaints = await listen(page);
  const addresses = new Set();
  for (const one of pages) {
    for (const address of await look(page, one, chosen, settings)) addresses.add(address);
    quiet(complaints, `${one.name} ${chosen.lang}-${chosen.theme}`, one.status);
  }
  if (pages[0].post === "approver") await menus(page, chosen, settings);
  await leave(own);
  return addresses;
}

/** Every page in every look; gives the addresses that each person's pages lead to. */
export async function looks(browser, pages, people, settings) {
  const addresses = {};
  const posts = [...new Set(pages.map((page) => page.post))];
  const chosen = LOOKS.filter(({ lang, theme }) => !settings.only || settings.only.startsWith(`${lang}-${theme}`));
  const jobs = chosen.flatMap((look) => posts.map((post) => async () => {
    const own = pages.filter((page) => page.post === post);
    const found = await inLook(browser, own, people[post], look, settings);
    addresses[post] = new Set([...(addresses[post] ?? []), ...found]);
  }));
  await inParallel(jobs);
  return addresses;
}
