// The address says which tab, model and part are open, so that it can be copied.

/** Set parts of the address, or take out those that are empty. @param {Record<string, string | null>} changes */
export function setAddress(changes) {
  const place = new URL(location.href);
  for (const [name, value] of Object.entries(changes))
    if (value) place.searchParams.set(name, value);
    else place.searchParams.delete(name);
  history.replaceState(null, "", place);
}
