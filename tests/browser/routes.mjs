// The router's own list of routes (`portal::router::list`), held against what was visited.

const segments = (path) => path.split("/").slice(1);

/** How well a path fits a pattern: -1 where it does not, else how many of its parts are said word by word. */
function fit(pattern, path) {
  const [wanted, given] = [segments(pattern), segments(path)];
  if (wanted.length !== given.length) return -1;
  let exact = 0;
  for (const [index, part] of wanted.entries()) {
    if (part === given[index]) exact += 1;
    else if (!part.includes("{") || given[index] === "") return -1;
  }
  return exact;
}

/** A ledger of the routes that take a method: which were visited, and which were not. */
export class Routes {
  /** @param list entries `{ method, path, gives }` of the router */
  constructor(list, method = "GET") {
    this.list = list.filter((route) => route.method === method).map((route) => ({ ...route, visits: 0 }));
  }

  /** The route that answers a path, as the router chooses it: what is said word by word goes before what varies. */
  of(path) {
    const plain = path.split(/[?#]/)[0];
    const fits = this.list.map((route) => [fit(route.path, plain), route]).filter(([exact]) => exact >= 0);
    fits.sort(([a], [b]) => b - a);
    return fits[0]?.[1];
  }

  /** Notes a visit; gives the route. */
  visit(path) {
    const route = this.of(path);
    if (route) route.visits += 1;
    return route;
  }

  /** The patterns that nobody visited. */
  missing(gives = () => true) {
    return this.list.filter((route) => route.visits === 0 && gives(route.gives)).map((route) => route.path);
  }
}
