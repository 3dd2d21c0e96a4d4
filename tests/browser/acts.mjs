// What forms do: every act of the router, and what it answers where it is done and where it is refused. The pages that only a form
// leads to are judged like every other, once each; the themes, widths and languages go round.
//
// It comes last, for what it does cannot be undone: what the other suites look at is withdrawn, decided and accepted here.

import { judgeAt, leads, listen, quiet } from "./looks.mjs";
import { led, send, signIn } from "./person.mjs";
import { check, context, inParallel, leave } from "./suite.mjs";

const path = (page) => new URL(page.url()).pathname;
const approvalOf = (request) => request.replace("/requests/", "/approvals/");
const day = (days) => new Date(Date.now() + days * 864e5).toISOString().slice(0, 10);

/** Somebody who does things one after another, each in a look of its own. */
class Visitor {
  static async of(browser, { url, routes }, post, look) {
    const own = await context(browser, url, look);
    const page = await own.newPage();
    const complaints = await listen(page);
    await signIn(page, url, post);
    return Object.assign(new Visitor(), { page, url, complaints, width: look.width ?? 1280, routes });
  }

  go(address) {
    return this.page.goto(`${this.url}${address}`);
  }

  /** Does something that leads to a page, and judges that page. */
  async does(name, deed, { status = 200, shows }) {
    const { page, complaints } = this;
    const answer = await led(page, deed);
    const text = async () => (await page.locator("main").innerText()).slice(0, 400);
    check(`${name}: answers ${status}`, answer?.status() === status, `${answer?.status()} ${page.url()} ${await text()}`);
    check(`${name}: says so`, (await page.locator(shows).count()) > 0, `no ${shows} at ${page.url()}: ${await text()}`);
    const dead = (await page.evaluate(leads)).filter((address) => this.routes && !this.routes.of(address));
    check(`${name}: everything on it leads somewhere`, dead.length === 0, dead.join(" "));
    await judgeAt(page, name, [this.width]);
    quiet(complaints, name, status);
  }

  /** Fills a form and sends it by one of its buttons. */
  sends(name, values, button, expected) {
    return this.does(name, () => send(this.page, values, button), expected);
  }

  /** Sends a form that is done. */
  done(name, values, button) {
    return this.sends(name, values, button, { shows: ".banner.good" });
  }

  close() {
    return leave(this.page.context());
  }
}

/** What stands against an act: where it is said depends on the page. */
const REFUSED = "[role=alert], .banner.bad, .error";
const WRONG = { status: 422, shows: REFUSED };
/** What is wrong with an address is said on the page that one is led to. */
const SAID = { shows: REFUSED };

async function opens(who, address, details) {
  await who.go(address);
  await who.page.locator(details).evaluate((element) => { element.open = true; });
}

/** The operations provider: an opinion, and the work on an order. */
async function operations(who, made) {
  await who.go(approvalOf(made.waiting));
  const opinion = "form:has(input[name=what][value=opinion]) button.primary";
  await who.sends("an opinion without a view", { opinion: "余量不足" }, opinion, WRONG);
  await who.go(approvalOf(made.waiting));
  await who.done("an opinion", { "view-2": "", opinion: "外网区余量不足，建议分两期。" }, opinion);
  const order = made.orders.find((href) => href !== made.fault);
  const step = "form[action$='/steps'] button.primary";
  await who.go(order);
  await who.done("an order is accepted", { "step-Accepted": "" }, step);
  await who.go(order);
  await who.sends("an order that failed without a word", { "step-Failed": "" }, step, WRONG);
  await who.close();
}

/** An entry of a catalog: wrong, looked at, published. */
async function entry(who, name, address, wrong, good, rows = false) {
  const look = "button[name=stage][value=check]";
  await who.go(address);
  await who.sends(`${name} with something wrong`, wrong, look, WRONG);
  if (rows) {
    await who.go(address);
    await who.sends(`${name} with more rows`, {}, "button[name=stage][value=rows]", { shows: look });
  }
  await who.go(address);
  await who.sends(`${name} is looked at`, good, look, { shows: "#lines-title" });
  await who.done(`${name} is published`, {}, "button[name=stage][value=write]");
}

/** The operations provider keeps the product catalog. */
async function products(who) {
  await entry(who, "a new product", "/catalog/products/new?offering=exchange-channel", { id: "gedao", "name-zh": "" }, {
    id: "zhanjiang-exchange-internet", "name-zh": "互联网区交换通道", shelf: "zhanjiang/Internet/", "fulfilment-2": "", "given-unit-1": "", "price-unit": "80",
  });
  await entry(who, "a product", "/catalog/products/zhanjiang-exchange-channel/keep", { stock: "viele" }, { stock: "36", "withdrawn-1": "" });
  await who.close();
}

/** The authority keeps the service catalog. */
async function services(who) {
  await entry(who, "a new service", "/catalog/services/new", { id: "Ä" }, {
    id: "yuyin-shibie", "name-zh": "语音识别", "class-3": "", category: "Capability", "unit-zh": "路", "zone-1": "",
  }, true);
  await entry(who, "a service", "/catalog/services/yuyin-shibie/keep", { "unit-zh": "" }, { "sla-days": "5", "withdrawn-1": "" });
}

/** The head hands on what waits for them. */
async function head(who, made) {
  const button = "#hand-on button[type=submit]";
  const here = approvalOf(made.answered);
  await opens(who, here, "#hand-on");
  await who.sends("a stage handed to oneself", { to: "zj-rsj-head", reason: "外出" }, button, WRONG);
  await opens(who, here, "#hand-on");
  await who.done("a stage handed on", { to: "zj-rsj-deputy", reason: "外出" }, button);
  await who.close();
}

/** The authority decides. */
async function decisions(who, made) {
  await who.go(approvalOf(made.waiting));
  await who.sends("a return without a word", { comment: "" }, "button[value=Return]", WRONG);
  const bulk = (outcome) => `.decide button[value=${outcome}]`;
  await who.go("/approvals");
  await who.sends("several of which none is picked", { comment: "同意" }, bulk("Approve"), WRONG);
  await who.go("/approvals");
  await who.page.locator("li", { has: who.page.locator(`h2 a[href='${approvalOf(made.waiting)}']`) }).locator("input[name=pick]").check();
  await who.sends("several at once", { comment: "请补充峰值测算。" }, bulk("Return"), { shows: "#results-title" });
  check("several at once: each has its word", (await who.page.locator("[aria-labelledby=results-title] .state.good").count()) === 1);
}

/** The authority announces, and keeps windows. */
async function announces(who) {
  await who.go("/bulletins");
  await who.sends("an announcement without a title", { title: "", body: "x" }, undefined, WRONG);
  await who.go("/bulletins");
  await who.done("an announcement", { title: "湛江节点扩容完成", body: "新增 200 vCPU。", until: day(3) });
  await who.does("an announcement is taken down", () => who.page.locator("li", { hasText: "湛江节点扩容完成" }).locator("form button").click(), { shows: ".banner.good" });
  await who.go("/windows");
  await who.sends("a window without days", { title: "割接" }, undefined, WRONG);
  await who.go("/windows");
  const window = { title: "备份网割接", from: `${day(2)}T22:00`, to: `${day(3)}T04:00`, "platform-zhanjiang": "", "zone-Extranet": "", reason: "更换备份网交换机" };
  await who.done("a window", window);
  await who.does("a window is taken back", () => who.page.locator("li", { hasText: "备份网割接" }).locator("form button").click(), { shows: ".banner.good" });
}

/** The authority names managers of a unit. */
async function members(who) {
  await who.go("/tenants/zj-rsj/members");
  await who.sends("a manager without a name", { name: "" }, "form[action$='/add'] button", WRONG);
  await who.go("/tenants/zj-rsj/members");
  await who.done("a manager", { name: "zj-rsj-stellvertretung" }, "form[action$='/add'] button");
  await who.does("a manager is removed", () => who.page.locator("tr", { hasText: "zj-rsj-stellvertretung" }).locator("form button").click(), { shows: ".banner.good" });
  await who.close();
}

/** The views of a list. */
async function views(who) {
  const manage = async (address) => opens(who, address, "#views details");
  const button = (what) => `#views button[value=${what}]`;
  await manage("/requests?phase=Returned");
  await who.sends("a view without a name", { "view-name": " " }, button("save"), { shows: "#view-name-error" });
  await manage("/requests?phase=Returned");
  await who.done("a view", { "view-name": "待补正" }, button("save"));
  await manage("/requests?phase=Delivered");
  await who.sends("a view of a name that is taken", { "view-name": "待补正" }, button("save"), { shows: button("replace") });
  for (const what of ["replace", "usual", "not-usual", "remove"]) {
    await who.page.locator("#views details").evaluate((element) => { element.open = true; });
    await who.done(`a view: ${what}`, {}, button(what));
  }
}

/** Programs of one's own, and where one is told of things. */
async function desk(who) {
  await who.go("/tokens");
  await who.sends("a token without a name", { title: " " }, undefined, WRONG);
  await who.go("/tokens");
  await who.sends("a token", { title: "报表程序", "scope-read": "" }, undefined, { shows: ".banner.good code" });
  await who.does("a token is revoked", () => who.page.locator("form[action='/tokens/revoke'] button").first().click(), { shows: "#list" });
  await who.go("/notifications");
  await who.does("everything is read", () => who.page.locator("form[action='/notifications/read'] button").click(), { shows: "#list" });
  check("everything is read: nothing is new", (await who.page.locator("#list li.unread").count()) === 0);
  const contact = "form[action='/notifications/contact'] button";
  await who.sends("a number that is none", { phone: "weiß nicht" }, contact, SAID);
  await who.done("an address", { email: "zj-rsj-owner@example.gov.cn", phone: "+8613800000000" }, contact);
}

/** An application that comes to nothing: classified, wrong, thrown away. */
async function drafts(who) {
  const { page } = who;
  await who.go("/requests/new");
  await who.sends("an application without an answer", {}, undefined, WRONG);
  await who.go("/requests/new");
  await who.sends("an application with secrets", { "classified-2": "" }, undefined, { shows: ".todo" });
  await who.go("/catalog");
  await page.locator("#service-cloud-host a.button").click();
  await who.sends("an application", { "classified-1": "", "environment-1": "" }, undefined, { shows: "#preview" });
  const [item, home] = [path(page), path(page).split("/items/")[0]];
  const previewed = page.waitForResponse((answer) => answer.url().endsWith("/preview") && answer.status() === 200);
  await page.locator("#place-1").check();
  await page.fill("#count", "3");
  await page.fill("#namespace", "chexiao");
  await previewed;
  check("a line: its effect is shown before it is sent", await page.waitForSelector("#preview table", { timeout: 5000 }).then(() => true, () => false));
  await who.sends("a line without a number", { count: "drei" }, undefined, WRONG);
  await who.go(`${home}/items/new`);
  await who.sends("a line for no service", {}, undefined, WRONG);
  await who.go(item);
  await who.does("a line is taken out", () => page.locator("form.remove button").click(), { shows: "#tasks-title" });
  await who.go(`${home}/basics`);
  await who.sends("reasons that are missing", { title: "撤销" }, undefined, WRONG);
  await documents(who, home);
  await who.go(home);
  await who.does("a draft is thrown away", () => page.locator("form.remove button").click(), { shows: ".banner.good" });
}

/** Documents of a draft. */
async function documents(who, home) {
  const { page } = who;
  const add = "form[enctype] button[type=submit]";
  await who.go(`${home}/files`);
  await page.setInputFiles("#files", { name: "程序.exe", mimeType: "application/octet-stream", buffer: Buffer.from("MZ") });
  await who.sends("a document that is a program", {}, add, { status: 422, shows: REFUSED });
  await who.go(`${home}/files`);
  await page.setInputFiles("#files", { name: "测算.pdf", mimeType: "application/pdf", buffer: Buffer.from("%PDF-1.7\n") });
  await who.sends("a document", {}, add, { shows: ".files.kept a" });
  await who.does("a document is taken away", () => page.locator(".files.kept form button").click(), { shows: "#files" });
}

/** What a department does about its requests. */
async function requests(who, made) {
  const button = (code) => `#act-${code} button[type=submit]`;
  const act = async (name, request, code, values, expected) => {
    await opens(who, request, `#act-${code}`);
    await who.sends(name, values, button(code), expected ?? { shows: ".banner.good" });
  };
  await act("an answer without a word", made.waiting, "answer", {}, WRONG);
  await act("a request is urged", made.ordered, "urge", { "urge-comment": "10日前需开通" });
  await act("a request is withdrawn", made.returned, "withdraw", { "withdraw-comment": "改用既有资源" });
  await act("a receipt that says nothing", made.delivered, "accept", {}, WRONG);
  await act("a receipt", made.delivered, "accept", { "accept-accepted-1": "" });
  for (let tries = 0; tries < 40 && (await who.page.locator("#act-rate").count()) === 0; tries += 1) {
    await who.page.waitForTimeout(500);
    await who.go(made.delivered);
  }
  await act("a rating without stars", made.delivered, "rate", {}, WRONG);
  await act("a rating", made.delivered, "rate", { "rate-stars-2": "" });
}

/** A department's other forms. */
async function unit(who) {
  await who.go("/work-orders/new");
  await who.sends("a fault without a title", { title: "", description: "x" }, undefined, WRONG);
  await who.go("/tenants/zj-rsj/grants/extranet/way-in");
  const [download] = await Promise.all([who.page.waitForEvent("download"), who.page.locator("form button.primary").click()]);
  check("a way in is given as a file", /kubeconfig|ya?ml/.test(download.suggestedFilename()), download.suggestedFilename());
  await download.cancel().catch(() => undefined);
  await who.close();
}

/** Sessions of somebody's, elsewhere and here. */
async function sessions(browser, settings) {
  const who = await Visitor.of(browser, settings, "city-owner", { theme: "care", width: 390, lang: "en" });
  const others = [];
  for (let nth = 0; nth < 3; nth += 1) others.push(await Visitor.of(browser, settings, "city-owner", { theme: "light" }));
  await who.go("/sign-in/again?next=/sessions");
  await who.does("a second proof", () => who.page.locator("main form button.primary").click(), { shows: "#list" });
  await who.does("one session is ended", () => who.page.locator("tbody form button").first().click(), { shows: "#list" });
  check("one session is ended: the rest is there", (await who.page.locator("tbody tr").count()) === 3, await who.page.locator("main").innerText());
  await who.does("every other session is ended", () => who.page.locator("button[value=others]").click(), { shows: "#list" });
  for (const other of others) {
    await other.go("/mine");
    check("a session that was ended elsewhere leads to the sign-in", path(other.page) === "/sign-in");
    await other.close();
  }
  await who.does("signing out", async () => {
    await who.page.click(".menu.person summary");
    await who.page.click(".menu.person form button");
  }, { shows: "input[name=post]" });
  await who.close();
}

/** Every act; who waits for somebody else comes after them. */
export async function acts(browser, made, settings) {
  const of = (post, look) => Visitor.of(browser, settings, post, look);
  const before = [
    async () => operations(await of("operations", { theme: "dark", width: 390 }), made),
    async () => products(await of("operations", { theme: "care", lang: "en" })),
    async () => head(await of("head", { theme: "care", lang: "en" }), made),
    async () => sessions(browser, settings),
  ];
  await inParallel(before);
  const authority = await of("approver", { theme: "light", width: 390, lang: "en" });
  await decisions(authority, made);
  const owner = await of("owner", { theme: "dark" });
  await inParallel([
    async () => { await announces(authority); await services(authority); await members(authority); },
    async () => { await views(owner); await desk(owner); await drafts(owner); await requests(owner, made); await unit(owner); },
  ]);
}
