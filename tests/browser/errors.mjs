// What forms are answered with where they come to nothing: too old, too large, of a session that has ended, of another site, of a
// tab that was overtaken. Each is a page of its own, looked at like every other; none of them writes anything.

import { led } from "./person.mjs";

const TYPED = "自 9:20 起每十分钟一次，持续约 40 秒。";
/** More than a form may say (`portal::typed::BODY`). */
const TOO_LARGE = 2_000_001;

/** Runs in the page: changes fields of a form, whether they are seen or not, and sends it. No pointer, and no script of the page. */
function changed({ action, values, button }) {
  const form = [...document.forms].find((form) => form.getAttribute("action").split("?")[0] === action);
  for (const [name, value] of Object.entries(values)) form.elements.namedItem(name).value = typeof value === "number" ? "x".repeat(value) : value;
  form.requestSubmit(button ? form.querySelector(button) : null);
}

/** Opens a page, changes fields of one of its forms, sends that. */
const sends = (at, action, values, button) => async (page, url) => {
  await page.goto(`${url}${at}`);
  return led(page, () => page.evaluate(changed, { action, values, button }));
};

/** The same, after the session has ended; it goes on afterwards, for the next page. */
const lost = (at, action, values) => async (page, url) => {
  await page.goto(`${url}${at}`);
  const kept = await page.context().cookies();
  await page.context().clearCookies({ name: /session/ });
  const answer = await led(page, () => page.evaluate(changed, { action, values }));
  await page.context().addCookies(kept);
  return answer;
};

/** A form on nobody's page: a browser says that it comes from elsewhere, and sends no cookies of ours along. */
const foreign = (action) => async (page, url, look = {}) => {
  const chosen = Object.entries(look).map(([name, value]) => `${name}=${value}`).join("&");
  await page.goto("about:blank");
  await page.setContent(`<form method="post" action="${url}${action}?${chosen}"><input name="token" value="x"></form>`);
  return led(page, () => page.evaluate(() => document.forms[0].requestSubmit()));
};

/** Pages of errors, each with its way there. */
export function errors(made) {
  const report = "/work-orders/new";
  const line = made.item;
  const decision = made.waiting.replace("/requests/", "/approvals/");
  return [
    { name: "not-mine", post: "owner", href: "/audit", status: 404 },
    { name: "form-expired", post: "owner", href: report, status: 400, arrive: sends(report, report, { description: TYPED, token: "0" }) },
    { name: "form-too-large", post: "owner", href: report, status: 413, arrive: sends(report, report, { id: TOO_LARGE }) },
    { name: "signed-out", post: "owner", href: report, status: 401, arrive: lost(report, report, { description: TYPED }) },
    { name: "overtaken-step", post: "owner", href: `${made.draft}/basics`, status: 409, arrive: sends(`${made.draft}/basics`, `${made.draft}/basics`, { title: TYPED, revision: "0" }) },
    { name: "overtaken-draft", post: "owner", href: `${line}/remove`, status: 409, arrive: sends(line, `${line}/remove`, { revision: "0" }) },
    { name: "check-wrong", post: "owner", href: `${made.draft}/check`, status: 422, arrive: sends(`${made.draft}/check`, `${made.draft}/check`, {}) },
    { name: "overtaken-decision", post: "approver", href: decision, status: 409, arrive: sends(decision, decision, { comment: TYPED, seen: "9-9-9" }, "button[value=Approve]") },
    { name: "foreign", post: "", href: "/sign-out", status: 403, arrive: foreign("/sign-out") },
  ];
}
