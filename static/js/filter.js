// Typing in the search of the list page, or choosing a filter, renews the list at once; the address follows.
import htmx from "htmx.org";

const PAUSE = 200;
let timer;
let running;

async function go(url) {
  running?.abort();
  running = new AbortController();
  const response = await fetch(url, { signal: running.signal, headers: { "HX-Request": "true" } });
  if (!response.ok || (response.redirected && new URL(response.url).pathname.startsWith("/accounts/"))) return location.assign(url);
  await htmx.swap({ text: await response.text(), target: document.getElementById("vm-list"), select: "#vm-list", swap: "outerMorph ignoreTitle:true", sourceElement: document.body });
  history.replaceState(history.state, "", url);
  document.dispatchEvent(new Event("kvmweb:swapped"));
}

const FIELDS = "[data-filters] select, [data-filters] input[list]";

/** Whether a typed choice is one of those that there are; says so where it is not. */
function fits(field) {
  const known = !field.list || !field.value || [...field.list.options].some((option) => option.value === field.value);
  field.setCustomValidity(known ? "" : field.dataset.unknown);
  return known || field.reportValidity();
}

/** The list's address with what stands in the search and in the filters. */
function address() {
  const url = new URL(location.href);
  const fields = [document.getElementById("find"), ...document.querySelectorAll(FIELDS)];
  for (const { name, value } of fields) value ? url.searchParams.set(name, value) : url.searchParams.delete(name);
  url.searchParams.delete("page");
  return url;
}

document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-live-search]")) return;
  clearTimeout(timer);
  timer = setTimeout(() => go(address()).catch(() => {}), PAUSE);
});
document.addEventListener("change", (event) => {
  if (event.target.matches(FIELDS) && fits(event.target)) go(address()).catch(() => {});
});
document.addEventListener("submit", (event) => {
  if (event.target.matches(".find")) clearTimeout(timer);
});
