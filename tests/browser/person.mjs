// What every suite does as a person: signing in, and filling a form.

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
    const field = choice === undefined ? page.locator(`#${id}`) : page.locator(`input[name='${name}'][value='${choice}']`);
    const kind = await field.evaluate((element) => (element.tagName === "SELECT" ? "select" : element.type));
    if (kind === "radio" || kind === "checkbox") await field.check();
    else if (kind === "select") await field.selectOption(value);
    else await field.fill(value);
  }
  await page.locator(button).first().click();
}
