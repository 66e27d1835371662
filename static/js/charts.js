// Charts over time: one request for all of them, read again while somebody looks, closer where a part is dragged over.
import uPlot from "uplot";

const PERIOD = 15000;
const COLOURS = ["--tblr-primary", "--tblr-warning", "--tblr-success", "--tblr-danger"];
const BYTES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

const POWERS = Array.from({ length: 50 }, (_, i) => 2 ** i);

const all = document.querySelector("[data-charts]");
const said = document.querySelector("[data-charts-said]");
const whole = document.querySelector("[data-whole]");
const sections = [...all.querySelectorAll("[data-chart]")];
const plots = new Map();
// The part that is looked at, in seconds since 1970; null: up to now.
let part = null;

function short(value, digits = 3) {
  return Number(value.toPrecision(digits)).toLocaleString(document.documentElement.lang || undefined, { maximumSignificantDigits: digits });
}

function words(value, unit) {
  if (value === null || value === undefined) return "–";
  if (unit === "percent") return `${short(value)} %`;
  if (unit === "s") return value < 1 ? `${short(value * 1000)} ms` : `${short(value)} s`;
  if (unit === "1/s") return `${short(value)}/s`;
  let step = 0;
  while (value >= 1024 && step < BYTES.length - 1) {
    value /= 1024;
    step += 1;
  }
  return `${short(value)} ${BYTES[step]}${unit === "bytes/s" ? "/s" : ""}`;
}

const zone = all.dataset.zone;
const clock = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
const seconds = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(document.documentElement.lang || undefined, { timeZone: zone, day: "numeric", month: "short" });
const month = new Intl.DateTimeFormat(document.documentElement.lang || undefined, { timeZone: zone, month: "short", year: "numeric" });

function moment(t) {
  return `${day.format(t * 1000)} ${seconds.format(t * 1000)}`;
}

/** The time at a tick, as finely as ticks are apart; a day's first says which day it is. */
function ticked(plot, ticks, axis, space, apart) {
  let before = "";
  return ticks.map((t) => {
    if (apart >= 28 * 86400) return month.format(t * 1000);
    const date = day.format(t * 1000);
    if (apart >= 86400) return date;
    const time = (apart < 60 ? seconds : clock).format(t * 1000);
    const told = date === before ? time : `${time}\n${date}`;
    before = date;
    return told;
  });
}

function length(seconds) {
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${short(seconds / 60)} min` : `${short(seconds / 3600)} h`;
}

function colour(name) {
  // A canvas knows no light-dark(): the colour is read where the browser has chosen.
  const probe = document.createElement("span");
  probe.hidden = true;
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** One list of times for all series of a chart; what a series lacks at one is null, which breaks its line. */
function joined(series) {
  const times = [...new Set(series.flatMap((points) => points.map(([t]) => t)))].sort((one, other) => one - other);
  return [times, ...series.map((points) => {
    const known = new Map(points);
    return times.map((t) => known.get(t) ?? null);
  })];
}

function options(section, labels, unit, width) {
  const quiet = colour("--quiet");
  const line = colour("--line");
  const axis = { stroke: quiet, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  return {
    width,
    height: 200,
    cursor: { sync: { key: "charts" }, drag: { x: true, y: false }, focus: { prox: 24 } },
    scales: { y: { range: (plot, lowest, highest) => [0, unit === "percent" ? Math.max(100, highest) : (highest || 1) * 1.1] } },
    tzDate: (t) => uPlot.tzDate(new Date(t * 1000), zone),
    axes: [
      { ...axis, values: ticked },
      { ...axis, size: 76, values: (plot, ticks) => ticks.map((tick) => words(tick, unit)), ...(unit.startsWith("bytes") && { incrs: POWERS }) },
    ],
    series: [
      { label: all.dataset.time, value: (plot, t) => (t === null ? "–" : moment(t)) },
      ...labels.map((label, i) => ({
        label,
        stroke: colour(COLOURS[i]),
        width: 1.5,
        dash: [[], [6, 3], [2, 3], [8, 3, 2, 3]][i],
        points: { show: false },
        value: (plot, value) => words(value, unit),
      })),
    ],
    hooks: {
      setSelect: [(plot) => {
        if (plot.select.width < 8) return;
        const [from, to] = [plot.select.left, plot.select.left + plot.select.width].map((left) => Math.round(plot.posToVal(left, "x")));
        plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        if (to - from >= 10) look([from, to]);
      }],
    },
  };
}

function summary(labels, series, unit) {
  return labels.map((label, i) => {
    const values = series[i].map(([, value]) => value).filter((value) => value !== null);
    if (!values.length) return `${label}: –`;
    const told = [["last", values.at(-1)], ["lowest", Math.min(...values)], ["highest", Math.max(...values)]];
    return `${label}: ${told.map(([name, value]) => `${all.dataset[name]} ${words(value, unit)}`).join(", ")}`;
  }).join(". ");
}

function table(labels, [times, ...columns], unit) {
  const made = document.createElement("table");
  made.className = "table";
  const head = made.createTHead().insertRow();
  for (const label of [all.dataset.time, ...labels]) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = label;
    head.append(cell);
  }
  const body = made.createTBody();
  times.forEach((t, i) => {
    const row = body.insertRow();
    row.insertCell().textContent = moment(t);
    for (const column of columns) row.insertCell().textContent = words(column[i], unit);
  });
  return made;
}

function draw(section, numbers) {
  const labels = section.dataset.names.split("|");
  const unit = section.dataset.unit;
  const series = section.dataset.chart.split(",").map((name) => numbers.series[name] ?? []);
  const data = joined(series);
  const holder = section.querySelector(".plot");
  const width = Math.max(holder.clientWidth, 200);
  const told = series.some((points) => points.some(([, value]) => value !== null));
  section.hidden = !told;
  if (!told) return;
  let plot = plots.get(section);
  if (!plot) {
    plot = new uPlot(options(section, labels, unit, Math.max(holder.clientWidth, 200)), data, holder);
    plots.set(section, plot);
  } else {
    if (plot.width !== width) plot.setSize({ width, height: 200 });
    plot.setData(data, false);
  }
  plot.setScale("x", { min: numbers.from, max: numbers.to });
  // What is told while nobody points at anything: the last of all.
  setTimeout(() => plots.get(section) === plot && plot.cursor.left < 0 && plot.setLegend({ idx: data[0].length - 1 }));
  section.querySelector(".says").textContent = summary(labels, series, unit);
  const fold = section.querySelector(".as-table");
  fold.told = () => fold.querySelector("div").replaceChildren(table(labels, data, unit));
  if (fold.open) fold.told();
}

let last = null;

async function renew() {
  const now = Math.floor(Date.now() / 1000);
  const [from, to] = part ?? [now - Number(all.dataset.seconds), now];
  const response = await fetch(`${all.dataset.charts}?from=${from}&to=${to}`, { headers: { "X-Kvmweb-Refresh": "1" } });
  if (!response.ok || response.redirected) throw new Error(String(response.status));
  last = await response.json();
  show();
}

function show() {
  for (const section of sections) draw(section, last);
  const empty = sections.every((section) => section.hidden);
  said.textContent = empty ? all.dataset.nothing : all.dataset.every.replace("{n}", length(Math.max(last.step, last.period ?? 1)));
}

function look(at) {
  part = at;
  whole.hidden = !at;
  attempt();
}

function attempt() {
  renew().catch(() => {
    said.textContent = all.dataset.failed;
  });
}

function anew() {
  for (const plot of plots.values()) plot.destroy();
  plots.clear();
  if (last) show();
}

whole.addEventListener("click", () => look(null));
for (const fold of all.querySelectorAll(".as-table")) fold.addEventListener("toggle", () => fold.open && fold.told?.());
let drawn = 0;
new ResizeObserver(([{ contentRect }]) => {
  if (last && Math.round(contentRect.width) !== drawn) show();
  drawn = Math.round(contentRect.width);
}).observe(all);
new MutationObserver(anew).observe(document.documentElement, { attributes: true, attributeFilter: ["data-bs-theme", "class", "style"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", anew);
document.addEventListener("visibilitychange", () => document.hidden || part || attempt());
setInterval(() => document.hidden || part || attempt(), PERIOD);
attempt();
