// Sign-in at a real identity provider, in a real browser: the page in every look, with scripts and without, by keyboard alone; the
// way out; and what becomes of an open page when the provider ends the session.
//
// `cargo test --test oidc` runs it, with its own Keycloak. The password of its posts comes in the environment.
//
//   QIPAN_PASSWORD=… node tests/browser/oidc.mjs --url http://127.0.0.1:8080 --provider https://127.0.0.1:8443

import { parseArgs } from "node:util";
import { lead, reach, tour } from "./keyboard.mjs";
import { looks } from "./looks.mjs";
import { led } from "./person.mjs";
import { check, context, launch, leave, result, timed } from "./suite.mjs";

const { values: flags } = parseArgs({
  options: {
    url: { type: "string" },
    provider: { type: "string" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
  },
});
const { url, provider } = flags;
const PASSWORD = process.env.QIPAN_PASSWORD;
const path = (page) => new URL(page.url()).pathname;
// The provider's certificate is of an authority of the test's own.
const own = (browser, look) => context(browser, url, { ...look, ignoreHTTPSErrors: true });

/** Fills the provider's form and sends it; it has none of ours. */
async function prove(page, post) {
  await page.fill("#username", post);
  await page.fill("#password", PASSWORD);
  await led(page, () => page.click("#kc-login"));
}

async function signIn(browser, post, look) {
  const page = await (await own(browser, look)).newPage();
  await page.goto(`${url}/sign-in?next=/sessions`);
  await led(page, () => page.click("main a.primary"));
  check(`${post}: the way leads to the provider`, page.url().startsWith(provider), page.url());
  await prove(page, post);
  check(`${post}: and back to where they wanted to go`, page.url() === `${url}/sessions`, page.url());
  check(`${post}: is who they are`, (await page.locator(".menu.person").innerText()).includes(post));
  return page;
}

/** The first page, and that of a sign-in which was not begun here. */
async function pages(browser) {
  const pages = [
    { name: "sign-in-provider", post: "", href: "/sign-in" },
    { name: "sign-in-refused", post: "", href: "/sign-in/callback?state=forged&code=forged", status: 403 },
  ];
  await looks(browser, pages, { "": [] }, flags);
  for (const theme of ["light", "dark", "care"]) {
    const made = await own(browser, { theme, width: theme === "dark" ? 1280 : 390 });
    const page = await made.newPage();
    await page.goto(`${url}/sign-in`);
    await tour(page, `sign-in at a provider ${theme}`);
    await leave(made);
  }
}

/** No pointer anywhere, at the provider neither. */
async function byKeys(browser) {
  const page = await (await own(browser)).newPage();
  await page.goto(`${url}/sign-in?next=/sessions`);
  await lead(page, "main a.primary");
  for (const [field, text] of [["#username", "cs-owner"], ["#password", PASSWORD]]) {
    await reach(page, field);
    await page.keyboard.insertText(text);
  }
  await Promise.all([page.waitForURL(`${url}/**`), page.keyboard.press("Enter")]);
  check("by keyboard: signed in at the provider", page.url() === `${url}/sessions`, page.url());
  await reach(page, ".menu.person > summary");
  await page.keyboard.press("Enter");
  await reach(page, ".menu.person form button");
  await Promise.all([page.waitForURL(`${provider}/**`), page.keyboard.press("Enter")]);
  check("by keyboard: signing out leads to the provider, which asks", (await page.locator("#kc-logout").count()) === 1, page.url());
  await reach(page, "#kc-logout");
  await Promise.all([page.waitForURL(`${url}/**`), page.keyboard.press("Enter")]);
  check("by keyboard: and back to the sign-in", path(page) === "/sign-in", page.url());
  await page.goto(`${url}/sessions`);
  check("by keyboard: nobody is signed in any more", path(page) === "/sign-in", page.url());
  await leave(page.context());
}

/** The provider's administrator, by its own interface. */
async function administrator(page) {
  const { request } = page.context();
  const form = { client_id: "admin-cli", grant_type: "password", username: "admin", password: PASSWORD };
  const token = (await (await request.post(`${provider}/realms/master/protocol/openid-connect/token`, { form })).json()).access_token;
  const headers = { authorization: `Bearer ${token}` };
  const [user] = await (await request.get(`${provider}/admin/realms/qipan/users?username=gd-auditor&exact=true`, { headers })).json();
  return request.post(`${provider}/admin/realms/qipan/users/${user.id}/logout`, { headers });
}

/** The provider ends a session: a page that is open leads to the sign-in at the next step, and nobody else's does. */
async function ended(browser) {
  const page = await signIn(browser, "gd-auditor");
  const other = await signIn(browser, "cs-approver", { scripts: false });
  const answer = await administrator(page);
  check("the provider has ended a session", answer.status() === 204, String(answer.status()));
  const gone = async () => (await page.goto(`${url}/audit`), path(page) === "/sign-in");
  let is = false;
  for (let tries = 0; tries < 40 && !is; tries += 1) {
    is = await gone();
    if (!is) await page.waitForTimeout(250);
  }
  check("a session that the provider ended leads to the sign-in", is, page.url());
  await other.goto(`${url}/sessions`);
  check("nobody else's has ended", path(other) === "/sessions", other.url());
  await leave(page.context());
  await leave(other.context());
}

const browser = await launch(flags.chromium);
try {
  await timed("pages", () => pages(browser));
  await timed("by keyboard", () => byKeys(browser));
  await timed("ended elsewhere, and without scripts", () => ended(browser));
} catch (error) {
  check("the run came to its end", false, String(error.stack ?? error));
} finally {
  await leave(browser);
}
process.exit(result() ? 0 : 1);
