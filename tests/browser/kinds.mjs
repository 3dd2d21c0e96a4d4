// The other kinds of request, each to what proves it on the hub: more of what was delivered, longer, given back; a test that ends by
// itself; an emergency that is opened at once and reviewed afterwards.

import { approve, ask, ensure, field, flags, person, phase, run, submit, until, wayIn } from "./errand.mjs";
import { led, send } from "./person.mjs";
import { inParallel, leave } from "./suite.mjs";

const day = (days) => new Date(Date.now() + days * 864e5).toISOString().slice(0, 10);
/** Who decides for a county's department, in the order of the chain. */
const CHAIN = ["county-head", "county-authority", "approver"];

/** Asks for something about a grant that is there; gives the request's name. */
async function about(page, { type, grant, title, amounts = {}, until: end }) {
  await page.goto(`${flags.url}/requests/new?grant=${grant}&type=${type}`);
  await led(page, () => send(page, { "classified-1": "", [`type=${type}`]: "", "environment=Production": "" }));
  ensure(await page.isChecked(`input[name=grant][value='${grant}']`), `${type}: the grant is chosen already`, await page.locator("main").innerText());
  const home = page.url().split("/items/")[0];
  await led(page, () => send(page, amounts));
  if (type === "Change") {
    await page.goto(`${home}/project`);
    await led(page, () => send(page, { name: "农情监测二期", "basis-1": "", approval: "廉发改审〔2026〕21号", "review-number-0": "网安评〔2026〕8号", "source-0": "OwnBudget", "percent-0": "100" }));
  }
  return submit(page, home, { title, until: end });
}

async function delivered(browser, request, posts, what) {
  for (const post of posts) await approve(browser, post, request, "同意");
  await until(what, phase(request, "Delivered"), 120);
}

/** To give back needs nobody, but what runs in it goes first, and the unit does that itself. */
async function released(browser, page, request, grant) {
  const own = await wayIn(page, request);
  const release = await about(page, { type: "Release", grant, title: "农情监测退订" });
  const says = () => field("qreq", release, ".status.conditions[?(@.type=='Ready')].message");
  await until("Release: what still runs is said", async () => /OverGrant.*requests\.cpu=2/.test(says()) || says());
  const [status, said] = run(own, ["delete", "pod", "erste", "--now"]);
  ensure(status === 0, "Release: the unit takes away what runs", said);
  await delivered(browser, release, [], "the release is delivered");
}

/** What was delivered grows, lasts longer, and is given back. */
async function later(browser, request) {
  const grant = field("qreq", request, ".status.grants[0].grant");
  const quota = (path) => field("tenantquota", grant, path);
  const page = await person(browser, "county");
  const before = Number(quota(".status.admitted.requests\\.cpu"));
  const change = await about(page, { type: "Change", grant, title: "农情监测加量", amounts: { "amount-requests.cpu": String(before + 1) } });
  await delivered(browser, change, CHAIN, "the change is delivered");
  ensure(Number(quota(".status.admitted.requests\\.cpu")) === before + 1, "Change: the grant has the new size", quota(".status.admitted"));
  const end = day(200);
  const renew = await about(page, { type: "Renew", grant, title: "农情监测续用", until: end });
  ensure(quota(".spec.lease.until") !== end, "Renew: nothing lasts longer before it is decided", quota(".spec.lease"));
  await delivered(browser, renew, CHAIN, "the renewal is delivered");
  ensure(quota(".spec.lease.until") === end, "Renew: the grant lasts until then", quota(".spec.lease"));
  await released(browser, page, request, grant);
  ensure(quota(".status.admitted.requests\\.cpu") === "0", "Release: nothing is left of the grant", quota(".status.admitted"));
  await leave(page.context());
}

/** A test: no project behind it, and its end comes with it. */
async function test(browser) {
  const page = await person(browser, "county");
  const request = await ask(page, { environment: "Test", title: "农情监测联调", count: "1", namespace: "liantiao" });
  await delivered(browser, request, CHAIN, "the test is delivered");
  const grant = field("qreq", request, ".status.grants[0].grant");
  const end = field("tenantquota", grant, ".spec.lease.until");
  ensure(end > day(0) && end <= day(16), "Test: it ends by itself", end);
  await leave(page.context());
}

/** An emergency: the platform's owner opens it, the others look at it afterwards. */
async function emergency(browser) {
  const page = await person(browser, "county");
  const request = await ask(page, { environment: "Emergency", title: "台风应急值守", count: "1", namespace: "taifeng" });
  const reviewed = () => field("qreq", request, ".status.conditions[?(@.type=='Reviewed')].status");
  await delivered(browser, request, ["approver"], "the emergency is delivered");
  ensure(reviewed() === "Unknown", "Emergency: it is open before it is reviewed", reviewed());
  for (const post of ["county-head", "county-authority"]) await approve(browser, post, request, "情况属实");
  await until("Emergency: the review has passed", async () => reviewed() === "True" || reviewed());
  await leave(page.context());
}

/** Each to its end. */
export const kinds = (browser, request) => inParallel([() => later(browser, request), () => test(browser), () => emergency(browser)]);
