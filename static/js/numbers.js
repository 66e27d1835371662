// CPU and memory of the VMs on the screen, every five seconds while the page is seen.
const PERIOD = 5000;

function holders() {
  const found = new Map();
  for (const holder of document.querySelectorAll("[data-numbers]")) {
    const things = holder.dataset.vm ? [holder] : holder.querySelectorAll("tr[data-vm]");
    for (const thing of things) {
      if (thing.dataset.state && !["running", "paused", "shutting_down"].includes(thing.dataset.state)) continue;
      found.set(thing.dataset.vm, { thing, url: holder.dataset.numbers });
    }
  }
  return found;
}

function show(thing, name, text) {
  const cell = thing.querySelector(`.${name}`);
  const shown = text || (cell?.tagName === "TD" ? "" : "–");
  if (cell && cell.textContent !== shown) cell.textContent = shown;
}

async function renew() {
  const found = holders();
  if (document.hidden || !found.size) return;
  const [{ url }] = found.values();
  const response = await fetch(`${url}?ids=${[...found.keys()].join(",")}`, { headers: { "X-Kvmweb-Refresh": "1" } });
  if (!response.ok || response.redirected) return;
  const numbers = await response.json();
  for (const [vm, { thing }] of found) {
    show(thing, "cpu", numbers[vm]?.cpu);
    show(thing, "memory", numbers[vm]?.memory);
    show(thing, "disks", numbers[vm]?.disks);
    show(thing, "network", numbers[vm]?.network);
  }
}

setInterval(() => renew().catch(() => {}), PERIOD);
