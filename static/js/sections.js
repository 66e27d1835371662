// The list by hosts: a section folds to its head, and stays so in this window.
const KEY = "folded-hosts";

const folded = () => new Set(JSON.parse(sessionStorage.getItem(KEY) ?? "[]"));

function show() {
  const closed = folded();
  for (const section of document.querySelectorAll("[data-section]")) {
    const open = !closed.has(section.dataset.section);
    section.toggleAttribute("data-folded", !open);
    section.querySelector("[data-fold]").setAttribute("aria-expanded", String(open));
  }
}

document.addEventListener("click", (event) => {
  const section = event.target.closest("[data-fold]")?.closest("[data-section]");
  if (!section) return;
  const closed = folded();
  if (!closed.delete(section.dataset.section)) {
    closed.add(section.dataset.section);
    // What one does not see is not acted on.
    for (const box of section.querySelectorAll("input[type=checkbox]")) box.checked = false;
  }
  sessionStorage.setItem(KEY, JSON.stringify([...closed]));
  document.dispatchEvent(new Event("kvmweb:swapped"));
});
document.addEventListener("kvmweb:swapped", show);
show();
