// What somebody could type to make others' browsers do something. It is typed wherever the province is told of (province.mjs), and
// on every page it is text: nothing is made of it.

/** An element that would act by itself, after the end of an attribute, and a script. */
export const HOSTILE = `<img src=x onerror=alert(1)>"><script>alert(2)</script>`;

/** Runs in the page: elements that no template of ours makes. Our scripts stand in the head, and no element has a handler. */
export const alive = () => [...document.querySelectorAll("body script, img[src='x'], [onerror], [onload], [onclick], iframe, object, base, meta[http-equiv]")]
  .map((element) => element.outerHTML.slice(0, 160));
