// Every page without scripts: it answers, says what it is, fits a phone, and its forms can be sent.

import { alive } from "./hostile.mjs";
import { open, signIn } from "./person.mjs";
import { check, context, inParallel, leave } from "./suite.mjs";

/** Forms without a way to send them, and buttons that nothing but a script could give a meaning. */
const useless = () => {
  const sends = (form) => form.querySelector("button:not([type]), button[type=submit], input[type=submit]") ||
    (form.id && document.querySelector(`button[form='${form.id}']`));
  const forms = [...document.forms].filter((form) => !sends(form) || !form.getAttribute("action"));
  const buttons = [...document.querySelectorAll("button")].filter((button) => !button.form || button.type === "button");
  const links = [...document.querySelectorAll("a")].filter((link) => !link.getAttribute("href") || /^(javascript:|#$)/.test(link.getAttribute("href")));
  return [...forms, ...buttons, ...links].map((element) => element.outerHTML.slice(0, 120));
};

/** What is in the page and cannot be seen though no script will show it: only what a `details` folds may be. */
const unseen = () => [...document.querySelectorAll("main a, main button, main input:not([type=hidden]), main select, main textarea")]
  .filter((element) => !element.closest("details:not([open])") && element.getClientRects().length === 0)
  .map((element) => element.outerHTML.slice(0, 120));

async function visit(page, one, url) {
  const { name, href, status = 200 } = one;
  const answer = await open(page, one, url);
  check(`without scripts: ${name} answers ${status}`, answer.status() === status && new URL(page.url()).pathname === href.split("?")[0], `${answer.status()} ${page.url()}`);
  check(`without scripts: ${name} says what it is`, (await page.locator("h1").count()) === 1 && (await page.locator("h1").innerText()).trim() !== "");
  for (const [what, look] of [["every form, button and link of ? works", useless], ["nothing of ? is hidden", unseen], ["nothing of ? came from what was typed", alive]]) {
    const found = await page.evaluate(look);
    check(`without scripts: ${what.replace("?", name)}`, found.length === 0, found.join("\n  "));
  }
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  check(`without scripts: ${name} does not scroll sideways`, wide <= 0, `${wide} px too wide`);
  check(`without scripts: ${name} says that it does not update itself`, await page.locator("noscript p").isVisible());
}

/** The menus and the way out. */
async function around(page, url) {
  await page.goto(`${url}/`);
  check("without scripts: the overview is there", (await page.locator(".card").count()) > 0);
  await page.click(".menu.narrow summary");
  await page.click(".menu.narrow a[href='/tenants']");
  check("without scripts: the menu leads to the tenants", new URL(page.url()).pathname === "/tenants");
  await page.click(".menu.person summary");
  await page.click(".menu.person form button");
  check("without scripts: signing out leads to the sign-in", new URL(page.url()).pathname === "/sign-in");
}

/** Every page, as each of those whose it is. */
export async function withoutScripts(browser, pages, people, { url }) {
  const jobs = [...new Set(pages.map((page) => page.post))].map((post) => async () => {
    const own = await context(browser, url, { width: 390, scripts: false, cookies: people[post] });
    const page = await own.newPage();
    for (const one of pages.filter((page) => page.post === post)) await visit(page, one, url);
    await leave(own);
  });
  await inParallel(jobs);
  const own = await context(browser, url, { width: 390, scripts: false });
  await around(await signIn(await own.newPage(), url, "approver"), url);
  await leave(own);
}
