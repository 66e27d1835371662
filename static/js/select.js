// Ticks in a list: Shift takes the rows between, one box takes all of the page and a button all that the filter finds;
// the bar says how many there are.
let lastTicked;

const boxes = () => [...document.querySelectorAll("#vms-form tbody:not([data-folded]) input[type=checkbox]")];

function count() {
  const bar = document.querySelector("[data-bulk]");
  if (!bar) return;
  const ticked = boxes().filter((box) => box.checked).length;
  const label = bar.querySelector("[data-bulk-count]");
  const found = bar.querySelector("[data-all-found]");
  const every = ticked === boxes().length;
  if (!every) found.disabled = true;
  bar.hidden = !ticked;
  const text = found.disabled ? (ticked === 1 ? label.dataset.one : label.dataset.many) : label.dataset.found;
  label.textContent = text.replace("{n}", found.disabled ? ticked : found.value);
  const more = bar.querySelector("[data-tick-found]");
  if (more) more.hidden = !every || !found.disabled;
  for (const link of bar.querySelectorAll("[data-beside]")) {
    link.href = `${link.pathname}?ids=${boxes().filter((box) => box.checked).map((box) => box.value)}`;
    link.hidden = ticked < 2 || ticked > Number(link.dataset.beside) || !found.disabled;
  }
  const all = document.querySelector("[data-all]");
  all.checked = ticked > 0 && every;
  all.indeterminate = ticked > 0 && !all.checked;
}

document.addEventListener("click", (event) => {
  const box = event.target;
  if (box.matches?.("[data-all]")) {
    for (const one of boxes()) one.checked = box.checked;
  } else if (box.matches?.("#vms-form tbody input[type=checkbox]")) {
    const all = boxes();
    if (event.shiftKey && lastTicked?.isConnected) {
      const [from, to] = [all.indexOf(lastTicked), all.indexOf(box)].sort((a, b) => a - b);
      for (const one of all.slice(from, to + 1)) one.checked = box.checked;
    }
    lastTicked = box;
  } else if (box.closest?.("[data-tick-found]")) {
    document.querySelector("[data-all-found]").disabled = false;
  } else if (box.closest?.("[data-untick]")) {
    for (const one of boxes()) one.checked = false;
  } else {
    return;
  }
  count();
});
document.addEventListener("kvmweb:swapped", count);
addEventListener("pageshow", count);
