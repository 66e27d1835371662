// Native popovers, placed under the button that opens them; one shared menu for all rows of a list.
const EDGE = 8;

/** Put the menu under the button, inside the window. */
function place(menu, button) {
  const at = button.getBoundingClientRect();
  const size = menu.getBoundingClientRect();
  const left = Math.min(Math.max(EDGE, at.right - size.width), innerWidth - size.width - EDGE);
  const below = at.bottom + 4;
  const top = below + size.height > innerHeight - EDGE ? Math.max(EDGE, at.top - size.height - 4) : below;
  menu.style.setProperty("left", `${left}px`);
  menu.style.setProperty("top", `${top}px`);
}

/** What can be pressed now; a fold whose entries are all greyed can be opened, but the keys pass over it. */
function entries(menu) {
  const found = menu.querySelectorAll("button:not(:disabled), a, details:has(button:not(:disabled)) > summary");
  return [...found].filter((entry) => entry.checkVisibility());
}

const openers = new WeakMap();
document.addEventListener("click", (event) => {
  const button = event.target.closest("[popovertarget]");
  if (button) openers.set(document.getElementById(button.getAttribute("popovertarget")), button);
}, true);

document.addEventListener("toggle", (event) => {
  const menu = event.target;
  if (!(menu instanceof Element) || !menu.matches("[data-menu]")) return;
  const button = openers.get(menu) ?? document.querySelector(`[popovertarget="${menu.id}"]`);
  if (event.newState === "open" && button) {
    place(menu, button);
    entries(menu)[0]?.focus({ preventScroll: true });
  }
}, true);

/** A menu that folds something out is wider and longer than it was. */
document.addEventListener("toggle", (event) => {
  const menu = event.target instanceof HTMLDetailsElement && event.target.closest("[data-menu]");
  if (menu && openers.get(menu)) place(menu, openers.get(menu));
}, true);

/** What the state of the row's VM forbids is greyed; what its host's driver cannot do is not there. */
function fill(menu, row) {
  for (const fold of menu.querySelectorAll("details")) fold.open = false;
  const form = menu.querySelector("[data-row-form]");
  const lacks = (row.dataset.lacks ?? "").split(" ");
  menu.querySelector("[data-row-name]").textContent = row.querySelector(".name a").textContent;
  for (const button of form.querySelectorAll("[data-verb]")) {
    const { hidden, verb } = button.dataset;
    button.hidden = hidden.split(" ").includes(row.dataset.state) || lacks.includes(verb);
    button.disabled = !button.dataset.states.split(" ").includes(row.dataset.state);
    button.title = button.disabled ? row.querySelector(".state [data-glow]").textContent : "";
    button.setAttribute("formaction", `${form.dataset.listUrl}${row.dataset.vm}/${button.dataset.verb}/`);
  }
}

document.addEventListener("click", (event) => {
  const dots = event.target.closest("[data-row-menu]");
  const menu = document.getElementById("row-menu");
  if (!dots || !menu || event.ctrlKey || event.metaKey || event.button) return;
  event.preventDefault();
  fill(menu, dots.closest("tr"));
  openers.set(menu, dots);
  if (menu.matches(":popover-open")) menu.hidePopover();
  menu.showPopover();
});

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.("[data-menu]");
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!menu || !step) return;
  event.preventDefault();
  const pressable = entries(menu);
  const next = pressable.indexOf(document.activeElement) + step;
  pressable.at(next % pressable.length)?.focus();
});

// A page that renews itself must not leave a menu at its old place.
addEventListener("resize", () => document.querySelectorAll("[data-menu]:popover-open").forEach((menu) => menu.hidePopover()));
