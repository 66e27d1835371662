// Beside each share of the processors its last hour, as a small line: one request a minute for all VMs on the screen.
// On a VM's page beside each number that is told there.
const PERIOD = 60000;
const REDRAW = 5000;
const [WIDTH, HEIGHT] = [60, 20];

const STEP = 120;

let known = {};
const hours = new Map();

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
  for (const [vm, cell] of cells()) show(cell, known[vm]);
  for (const cell of document.querySelectorAll("[data-hour]")) show(cell, hours.get(cell.dataset.hour));
}

function show(cell, values) {
  if (!cell || !values) return;
  const made = picture(values);
  if (cell.dataset.spark === made) return;
  cell.dataset.spark = made;
  cell.style.backgroundImage = made;
}

async function read(url) {
  const response = await fetch(url, { headers: { "X-Kvmweb-Refresh": "1" } });
  return response.ok && !response.redirected ? response.json() : null;
}

/** What the series come to together in each step of the hour, in percent of the most; null where one is missing. */
function together({ from, to, series }, names, most) {
  const first = Math.floor(from / STEP);
  const values = Array(Math.floor(to / STEP) - first + 1).fill(null);
  const [one, ...others] = names.map((name) => new Map(series[name].map(([t, value]) => [Math.floor(t / STEP) - first, value])));
  for (const [i, value] of one) {
    const all = [value, ...others.map((other) => other.get(i) ?? null)];
    values[i] = all.includes(null) ? null : all.reduce((sum, each) => sum + each, 0);
  }
  const whole = Number(most) || Math.max(...values, 1);
  return values.map((value) => (value === null ? null : Math.min((100 * value) / whole, 100)));
}

async function renew() {
  if (document.hidden) return;
  const ids = cells().map(([vm]) => vm);
  const of = document.querySelector("[data-hours]");
  if (ids.length) known = (await read(`${document.querySelector("[data-sparks]").dataset.sparks}?ids=${ids.join(",")}`)) ?? known;
  if (of) {
    const holders = [...of.querySelectorAll("[data-hour]")];
    const told = await read(`${of.dataset.hours}?step=${STEP}&series=${holders.map((holder) => holder.dataset.hour)}`);
    if (told) for (const { dataset } of holders) hours.set(dataset.hour, together(told, dataset.hour.split(","), dataset.most));
  }
  draw();
}

setInterval(() => renew().catch(() => {}), PERIOD);
setInterval(draw, REDRAW);
document.addEventListener("kvmweb:swapped", draw);
document.addEventListener("visibilitychange", () => renew().catch(() => {}));
renew().catch(() => {});
