// How the pages look: accessibility, policy, layout, language and theme, in every language, theme and width.
//
// Each page is drawn in each language and theme, and measured at both widths. Axe judges it in each language and theme, with
// every rule of its default (levels A and AA of WCAG 2.0 and 2.1, good practice) and those of WCAG 2.2 AA, which it leaves off by
// itself: in each theme at both widths, in each language at both widths. With `--all` it judges at both widths each time; with
// `--shots` pictures are taken.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { check, context, inParallel } from "./suite.mjs";
import { signIn } from "./person.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const LANGUAGES = ["zh", "en"];
const THEMES = ["light", "dark", "care"];
const WIDTHS = [1280, 390];

/** What a browser complains of, kept with the page. */
async function listen(page) {
  const complaints = [];
  page.on("console", (message) => {
    if (message.type() === "error" && !/status of 404/.test(message.text())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.exposeFunction("toldOfPolicy", (what) => complaints.push(what));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => window.toldOfPolicy(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  return complaints;
}

/** Axe on the page as it stands; no rule that it has on, and no element, is left out. */
async function axe(page) {
  await page.evaluate(AXE);
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

/** At which width axe judges a look; over the looks, each theme and each language is judged at both. */
export const judged = (lang, theme) => WIDTHS[(LANGUAGES.indexOf(lang) + THEMES.indexOf(theme)) % 2];

/** What a page leads to and is made of: links, and the addresses of its scripts, styles and live updates. */
const leads = () => [...document.querySelectorAll("a[href], link[href], script[src], [sse-connect]")]
  .map((element) => element.getAttribute("href") ?? element.getAttribute("src") ?? element.getAttribute("sse-connect"))
  .filter((address) => address.startsWith("/"));

/** One page in one language and theme, at both widths. */
async function look(page, { name, href, status = 200 }, { lang, theme }, settings) {
  const answer = await page.goto(`${settings.url}${href}`);
  const where = `${name} ${lang}-${theme}`;
  check(`${where}: answers ${status}`, answer.status() === status && new URL(page.url()).pathname === href.split("?")[0], `${answer.status()} ${page.url()}`);
  check(`${where}: in the language and theme that were chosen`,
    (await page.getAttribute("html", "lang")).startsWith(lang) && (await page.getAttribute("html", "data-theme")) === theme);
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
    await fits(page, `${where}-${width}`);
    if (settings.all || width === judged(lang, theme)) await judge(page, `${where}-${width}`);
    if (settings.shots) await page.screenshot({ path: join(settings.shots, `${where.replace(" ", "-")}-${width}.png`), fullPage: true });
  }
  return page.evaluate(leads);
}

/** The menu of a phone, opened. */
async function menu(page, { lang, theme }, settings) {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto(`${settings.url}/`);
  await page.click(".menu.narrow summary");
  await judge(page, `open menu ${lang}-${theme}-390`);
  if (settings.shots) await page.screenshot({ path: join(settings.shots, `menu-${lang}-${theme}-390.png`) });
}

/** Signs everybody in who has a page; gives their cookies. */
export async function cookies(browser, url, pages) {
  const found = { "": [] };
  for (const post of new Set(pages.map((page) => page.post))) {
    if (post === "") continue;
    const own = await context(browser, url);
    await signIn(await own.newPage(), url, post);
    found[post] = (await own.cookies()).filter((cookie) => !/^qipan_(lang|theme)$/.test(cookie.name));
    await own.close();
  }
  return found;
}

/** Every page in every look; gives the addresses that each person's pages lead to. */
export async function looks(browser, pages, people, settings) {
  const addresses = {};
  const jobs = [];
  for (const lang of LANGUAGES) for (const theme of THEMES) for (const post of new Set(pages.map((page) => page.post))) {
    if (settings.only && !settings.only.startsWith(`${lang}-${theme}`)) continue;
    jobs.push(async () => {
      const own = await context(browser, settings.url, { lang, theme, cookies: people[post] });
      const page = await own.newPage();
      const complaints = await listen(page);
      addresses[post] ??= new Set();
      for (const one of pages.filter((page) => page.post === post)) {
        for (const address of await look(page, one, { lang, theme }, settings)) addresses[post].add(address);
        check(`${one.name} ${lang}-${theme}: nothing to complain in the console, no policy violated`, complaints.length === 0, complaints.splice(0).join(" | "));
      }
      if (post === "approver") await menu(page, { lang, theme }, settings);
      await own.close();
    });
  }
  await inParallel(jobs);
  return addresses;
}
