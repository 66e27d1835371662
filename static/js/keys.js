// "/" and Ctrl-K go to the search, arrows walk through the rows of a list, Escape gives the search back.
const typing = (element) => element.closest?.("input, textarea, select, [contenteditable], [data-keys-own]");

function walk(step) {
  const links = [...document.querySelectorAll("tbody .row-link")];
  const now = document.activeElement.closest?.("tr")?.querySelector(".row-link");
  const next = links[now ? links.indexOf(now) + step : step > 0 ? 0 : -1];
  next?.focus();
  return Boolean(next);
}

document.addEventListener("keydown", (event) => {
  const find = document.getElementById("find");
  if (!find || document.querySelector("dialog[open]")) return;
  const wanted = (event.key === "/" && !typing(event.target)) || (event.key === "k" && (event.ctrlKey || event.metaKey) && !event.target.closest?.("[data-keys-own]"));
  if (wanted) {
    event.preventDefault();
    find.focus();
    find.select();
  } else if (event.key === "Escape" && event.target === find) {
    find.blur();
  } else if (["ArrowDown", "ArrowUp"].includes(event.key) && !event.target.closest?.("[popover], select, textarea, [data-keys-own], pre")) {
    if (event.target === find && event.key === "ArrowUp") return;
    if (walk(event.key === "ArrowDown" ? 1 : -1)) event.preventDefault();
  }
});

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-find]")) return;
  event.preventDefault();
  document.getElementById("find").focus();
});
