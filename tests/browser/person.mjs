// What every suite does as a person: signing in, filling a form, opening a page.

/** Signs in with a post of the demo sign-in, on the page that is open in the language that it is open in. */
export async function signIn(page, url, post) {
  await page.goto(`${url}/sign-in?next=/`);
  await page.check(`#post-${post}`);
  await page.click("button.primary");
  await page.waitForURL(`${url}/`);
  return page;
}

/** Fills a form and sends it; without scripts, as every page must work. A key is a field's id, or `name=value` of a choice. */
export async function send(page, values, button = "form.pane button.primary, form button.primary") {
  for (const [id, value] of Object.entries(values)) {
    const [name, choice] = id.split("=");
    const field = choice === undefined ? page.locator(`[id='${id}']`) : page.locator(`input[name='${name}'][value='${choice}']`);
    const kind = await field.evaluate((element) => (element.tagName === "SELECT" ? "select" : element.type));
    if (kind === "radio" || kind === "checkbox") await field.check();
    else if (kind === "select") await field.selectOption(value);
    else await field.fill(value);
  }
  await page.locator(button).first().click();
}

/** Does something that leads to a page; gives its answer, the last one where it was led on. */
export async function led(page, deed) {
  // The deed has 30 s of its own: why it could not be done is said before that nothing came of it.
  const [answer] = await Promise.all([page.waitForNavigation({ timeout: 40_000 }), deed()]);
  return answer;
}

/** Opens a page by its address, or as one comes to it where it is what a form is answered with; gives the answer. */
export const open = (page, one, url, look) => (one.arrive ? one.arrive(page, url, look) : page.goto(`${url}${one.href}`));
