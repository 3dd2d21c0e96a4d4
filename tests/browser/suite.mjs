// What the suites of the browser share: the count of what holds, the browser, and work in two contexts at a time.

import { chromium } from "playwright-core";

let passed = 0;
const failures = [];

/** Every form that a browser of this run sent: its path, and the status of the answer. */
export const sent = [];

/** One thing that holds, or is told with its name. */
export function check(name, good, detail = "") {
  if (good) {
    passed += 1;
  } else {
    failures.push(name);
    console.error(`FAILED ${name}${detail ? `: ${detail}` : ""}`);
  }
  return Boolean(good);
}

/** The count, in the words that `tests/tests/browser.rs` reads; whether all held. */
export function result() {
  console.log(`${passed} passed, ${failures.length} failed`);
  return failures.length === 0;
}

/** Debian's Chromium, which asks nobody outside for anything. */
export const launch = (executablePath) => chromium.launch({
  executablePath,
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

/** Runs jobs, so many at a time; the machine of the CI has two cores. */
export async function inParallel(jobs, atOnce = 2) {
  const waiting = [...jobs];
  const worker = async () => {
    for (let job = waiting.shift(); job; job = waiting.shift()) await job();
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** Closes a page, a context or the browser. Chromium may never say that one is closed which was being led on: it gets ten seconds. */
export function leave(what) {
  let alarm;
  const late = new Promise((done) => { alarm = setTimeout(done, 10_000); });
  return Promise.race([what.close(), late]).finally(() => clearTimeout(alarm));
}

/** No part takes longer; what waits for ever is a failure, with its name. */
const PATIENCE = 15 * 60_000;

/** How long a part took, told when it ends. */
export async function timed(what, part) {
  const began = Date.now();
  let alarm;
  const late = new Promise((_, refuse) => {
    alarm = setTimeout(() => refuse(new Error(`${what}: no end after ${PATIENCE / 60_000} minutes`)), PATIENCE);
  });
  try {
    return await Promise.race([part(), late]);
  } finally {
    clearTimeout(alarm);
    console.log(`${what}: ${((Date.now() - began) / 1000).toFixed(0)} s`);
  }
}

/** A context in a language and a theme, as its cookies choose them; with the cookies of somebody who has signed in. */
export async function context(browser, url, { lang = "zh", theme = "light", width = 1280, scripts = true, cookies = [], ...more } = {}) {
  const made = await browser.newContext({ javaScriptEnabled: scripts, viewport: { width, height: width === 390 ? 844 : 900 }, ...more });
  const choice = (name, value) => ({ name, value, url });
  await made.addCookies([...cookies, choice("qipan_lang", lang), choice("qipan_theme", theme)]);
  made.on("response", (answer) => {
    if (answer.request().method() === "POST") sent.push({ path: new URL(answer.url()).pathname, status: answer.status() });
  });
  return made;
}
