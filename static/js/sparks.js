// Beside each share of the processors its last hour, as a small line: one request a minute for all VMs on the screen.
const PERIOD = 60000;
const REDRAW = 5000;
const [WIDTH, HEIGHT] = [60, 20];

let known = {};

function cells() {
  return [...document.querySelectorAll("[data-sparks] tr[data-vm]")].map((row) => [row.dataset.vm, row.querySelector("td.cpu")]);
}

/** The parts of the line: a value that is missing begins a new one. */
function path(values) {
  const step = WIDTH / (values.length - 1);
  let drawn = "";
  values.forEach((value, i) => {
    if (value === null) return;
    const after = i && values[i - 1] !== null;
    drawn += `${after ? "L" : "M"}${(i * step).toFixed(1)} ${(HEIGHT - 1 - (value / 100) * (HEIGHT - 2)).toFixed(1)}`;
  });
  return drawn;
}

function picture(values) {
  const light = document.documentElement.dataset.bsTheme !== "dark";
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none"><path d="${path(values)}" fill="none" stroke="${light ? "#0a5cad" : "#6cb2ff"}" stroke-opacity=".8" vector-effect="non-scaling-stroke"/></svg>`;
  return `url("data:image/svg+xml,${encodeURIComponent(svg)}")`;
}

function draw() {
  if (document.hidden) return;
  for (const [vm, cell] of cells()) {
    if (!cell || !known[vm]) continue;
    const made = picture(known[vm]);
    if (cell.dataset.spark === made) continue;
    cell.dataset.spark = made;
    cell.style.backgroundImage = made;
  }
}

async function renew() {
  const ids = cells().map(([vm]) => vm);
  if (document.hidden || !ids.length) return;
  const url = document.querySelector("[data-sparks]").dataset.sparks;
  const response = await fetch(`${url}?ids=${ids.join(",")}`, { headers: { "X-Kvmweb-Refresh": "1" } });
  if (!response.ok || response.redirected) return;
  known = await response.json();
  draw();
}

setInterval(() => renew().catch(() => {}), PERIOD);
setInterval(draw, REDRAW);
renew().catch(() => {});
