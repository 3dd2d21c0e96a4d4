// A request's whole way, as people go it: a county's department asks on a phone, its head, the county's authority and the
// city's decide, the operator opens it, the department gets in, works within its quota, confirms and rates; the auditor
// reads who decided. Then an exception on a platform that was frozen meanwhile, which ends at the province, and the other
// kinds of request (kinds.mjs).
// `cargo test --test journeys` runs it once in each language.
//
//   node tests/browser/journey.mjs --url http://127.0.0.1:8080 --kubectl "kubectl --kubeconfig …" --lang zh

import { TENANT, approve, ask, count, ensure, field, flags, kubectl, person, phase, run, shot, until, wayIn } from "./errand.mjs";
import { kinds } from "./kinds.mjs";
import { send } from "./person.mjs";
import { launch, leave } from "./suite.mjs";

/** Names differ between the languages, so that both ways can be gone in one province. */
const NAME = flags.lang === "zh" ? "nongqing" : "harvest";

const POD = (name, cpu) => JSON.stringify({
  apiVersion: "v1", kind: "Pod", metadata: { name },
  spec: {
    securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } },
    containers: [{
      name: "main", image: "none",
      resources: { requests: { cpu, memory: "64Mi" }, limits: { cpu, memory: "64Mi" } },
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
    }],
  },
});

/** The delivery sheet leads in; what is done there stays within the quota. */
async function enter(page, request) {
  await page.goto(`${flags.url}/requests/${TENANT}/${request}`);
  await shot(page, `delivered-${request}`);
  const own = await wayIn(page, request);
  const [made, said] = run(own, ["apply", "-f", "-"], POD("erste", "2"));
  ensure(made === 0, "a pod is admitted", said);
  const [over, refusal] = run(own, ["apply", "-f", "-"], POD("zuviel", "64"));
  ensure(over !== 0 && /exceeded quota/.test(refusal), "a pod too many is refused", refusal);
  const [secrets, no] = run(own, ["get", "pods", "-n", "kube-system"]);
  ensure(secrets !== 0 && /forbidden/i.test(no), "nothing else is open", no);
}

async function act(page, request, code, values) {
  await page.goto(`${flags.url}/requests/${TENANT}/${request}`);
  const box = page.locator(`#act-${code}`);
  if (!(await box.evaluate((element) => element.open))) await box.locator("summary").click();
  await send(page, values, `#act-${code} button[type=submit]`);
}

async function production(browser) {
  const page = await person(browser, "county");
  const request = await ask(page, { title: flags.lang === "zh" ? "农情监测上云" : "Harvest reports", count: "1", namespace: NAME });
  await until("its capacity is held and its head decides", async () => {
    const stage = field("qreq", request, ".status.stage");
    return stage === "UnitHead" || `${stage} ${field("qreq", request, ".status.conditions[?(@.type=='Ready')].message")}`;
  });
  await approve(browser, "county-head", request, "同意上报");
  await approve(browser, "county-authority", request, "符合县级规划");
  await approve(browser, "approver", request, "同意，节点余量充足");
  await until("it is delivered", phase(request, "Delivered"), 120);
  await enter(page, request);
  await act(page, request, "accept", { "accept-accepted-1": "" });
  await until("it is accepted", phase(request, "Accepted"));
  await act(page, request, "rate", { "rate-stars-1": "" });
  await until("it is rated", async () => field("qreq", request, ".spec.rating[0].stars") !== "" || page.locator("main").innerText());
  await shot(page, `accepted-${request}`);
  await leave(page.context());
  return request;
}

/** The node is frozen; more of it takes an exception, and the province decides last. */
async function exception(browser) {
  kubectl("patch", "cloudplatform.qipan.dev", "zhanjiang", "--type=merge", "-p", '{"spec":{"expansion":"Frozen"}}');
  try {
    const page = await person(browser, "county");
    const request = await ask(page, { type: "Exception", title: "农情监测扩容（例外）", count: "1", namespace: `${NAME}-x` });
    await approve(browser, "county-head", request, "确需在节点扩容");
    await approve(browser, "county-authority", request, "同意上报");
    await approve(browser, "approver", request, "同意上报省级");
    await approve(browser, "administrator", request, "批准例外，半年内迁出");
    await until("the exception is delivered on the frozen platform", phase(request, "Delivered"), 120);
    await leave(page.context());
  } finally {
    kubectl("patch", "cloudplatform.qipan.dev", "zhanjiang", "--type=merge", "-p", '{"spec":{"expansion":"Open"}}');
  }
}

/** Who decided is a row of the ledger each. */
async function audited(browser, request) {
  const page = await person(browser, "auditor", false);
  await until("the ledger names everybody who decided", async () => {
    await page.goto(`${flags.url}/audit?name=${request}`);
    const text = await page.locator("main").innerText();
    const missing = ["lj-nyj-owner", "lj-nyj-head", "lj-approver", "cs-approver"].filter((who) => !text.includes(who));
    return missing.length === 0 || `missing ${missing}`;
  });
  await shot(page, `audit-${request}`);
  await leave(page.context());
}

const browser = await launch(flags.chromium);
try {
  const request = await production(browser);
  await audited(browser, request);
  await exception(browser);
  // What they come to does not hang on the language.
  if (flags.lang === "en") await kinds(browser, request);
} finally {
  await leave(browser);
}
console.log(`${count()} passed, 0 failed`);
